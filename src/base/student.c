/* SPDX-License-Identifier: BSD-2-Clause */
/* Student's t, by the incomplete beta function; see student.h. */
#include "base/student.h"

#include <math.h>

#define STEPS_MAX 300
#define ENOUGH	  1e-14
#define TINY	  1e-300

/* DLMF 8.17.22, https://dlmf.nist.gov/8.17#v: the continued fraction of I_x(a, b), from the top
 * (Lentz's way); converges fast for x < (a + 1) / (a + b + 2). */
static double fraction(double x, double a, double b)
{
	double c = 1, d = 1 - (a + b) * x / (a + 1);
	double value;

	d = 1 / (fabs(d) < TINY ? TINY : d);
	value = d;
	for (int m = 1; m < STEPS_MAX; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		double change;

		d = 1 + even * d;
		c = 1 + even / c;
		d = 1 / (fabs(d) < TINY ? TINY : d);
		c = fabs(c) < TINY ? TINY : c;
		value *= d * c;
		d = 1 + odd * d;
		c = 1 + odd / c;
		d = 1 / (fabs(d) < TINY ? TINY : d);
		c = fabs(c) < TINY ? TINY : c;
		change = d * c;
		value *= change;
		if (fabs(change - 1) < ENOUGH)
			break;
	}
	return value;
}

/* The regularised incomplete beta function. */
static double beta_share(double x, double a, double b)
{
	double front;

	if (!(x > 0))
		return 0;
	if (x >= 1)
		return 1;
	front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
	if (x < (a + 1) / (a + b + 2))
		return front * fraction(x, a, b) / a;
	return 1 - front * fraction(1 - x, b, a) / b;
}

double student_p(double t, double df)
{
	if (isnan(t))
		return 1;
	return beta_share(df / (df + t * t), df / 2, 0.5);
}

double student_t(double confidence, double df)
{
	double low = 0, high = 1;

	while (student_p(high, df) > 1 - confidence && high < 1e12)
		high *= 2;
	for (int i = 0; i < 100; i++) {
		double middle = (low + high) / 2;

		if (student_p(middle, df) > 1 - confidence)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}
