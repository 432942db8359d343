/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Student's t: what the mean of a few normal numbers may be off by, when their spread is known
 * from these few only ("Student", The probable error of a mean, Biometrika 6, 1908).
 */
#pragma once

/* How likely |t| or more is by chance, with @df degrees of freedom (> 0). */
double student_p(double t, double df);
/* What |t| stays below with that @confidence (0.95; in (0, 1)). */
double student_t(double confidence, double df);
