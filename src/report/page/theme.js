/* SPDX-License-Identifier: BSD-2-Clause */
/* Light or dark: as the system is, until a button says otherwise; paper is light. */
(function (R) {
	'use strict';

	const dark = window.matchMedia('(prefers-color-scheme: dark)');
	let chosen = null,
		printing = false;

	/* A page from a mail may have no storage. */
	function remembered(value) {
		try {
			if (value) window.localStorage.setItem('redmem-theme', value);
			return window.localStorage.getItem('redmem-theme');
		} catch (nothing) {
			return null;
		}
	}

	function apply() {
		const theme = printing ? 'light' : chosen || (dark.matches ? 'dark' : 'light');

		if (document.documentElement.dataset.theme === theme) return;
		document.documentElement.dataset.theme = theme;
		for (const redraw of R.redraws) redraw();
	}

	R.themeButton = function () {
		return R.button(
			'Light or dark',
			() => {
				chosen = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
				remembered(chosen);
				apply();
			},
			{ class: 'theme' }
		);
	};

	R.startTheme = function () {
		const kept = remembered(null);

		chosen = kept === 'dark' || kept === 'light' ? kept : null;
		dark.addEventListener('change', apply);
		apply();
	};

	/* Paper has all sections, light; what only a click shows stays closed. */
	R.print = function (on) {
		printing = on;
		document.documentElement.classList.toggle('printing', on);
		if (on) R.drawAll();
		for (const resize of R.resizes) resize();
		apply();
	};
	window.addEventListener('beforeprint', () => R.print(true));
	window.addEventListener('afterprint', () => R.print(false));
})((window.redmem = window.redmem || {}));
