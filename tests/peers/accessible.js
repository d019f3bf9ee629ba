'use strict';
// axe-core and HTML_CodeSniffer (which is what pa11y asks) in Chromium: HOST PORT PATH... Looks at each page in light
// and in dark, wide and 320 px narrow, with and without the scripts of the page.

const fs = require('fs');
const { run } = require('./lib/devtools.js');

const [host, port, ...paths] = process.argv.slice(2);
const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const SNIFFER = fs.readFileSync(require.resolve('html_codesniffer/build/HTMLCS.js'), 'utf8');

const BY_AXE = `axe.run().then(({ passes, violations }) => ({
  passes: passes.length,
  faults: violations.map(({ id, impact, nodes }) => 'axe ' + id + ' (' + impact + '): ' + nodes[0].target),
}))`;

// 1 is an error; what is less a person has to look at.
const BY_SNIFFER = `new Promise((resolve) => {
  HTMLCS.process('WCAG2AA', document, () => resolve(HTMLCS.getMessages()
    .filter(({ type }) => type === 1)
    .map(({ code, element }) => 'HTML_CodeSniffer ' + code + ': ' + element.outerHTML.slice(0, 100))));
})`;

async function look(page, path, scheme, width, scripted) {
  const wide = { width, height: 900, deviceScaleFactor: 1, mobile: width < 400 };
  await page.send('Emulation.setDeviceMetricsOverride', wide);
  await page.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  await page.send('Emulation.setScriptExecutionDisabled', { value: !scripted });
  await page.open(`http://${host}:${port}${path}`);
  // Those of the page have not run, and do not any more.
  await page.send('Emulation.setScriptExecutionDisabled', { value: false });
  await page.evaluate(`${AXE}; ${SNIFFER}; 0`);
  const { passes, faults } = await page.evaluate(BY_AXE);
  if (passes < 10) faults.push(`axe found ${passes} rules to check`);
  faults.push(...await page.evaluate(BY_SNIFFER));
  const shown = await page.evaluate('document.documentElement.scrollWidth');
  if (shown > width) faults.push(`${shown} px wide`);
  const how = `${path} in ${scheme}, ${width} px, ${scripted ? 'with' : 'without'} scripts`;
  return faults.map((fault) => `${how}: ${fault}`);
}

async function all(browser) {
  const page = await browser.page();
  const faults = [];
  for (const path of paths) {
    for (const scheme of ['light', 'dark']) {
      for (const width of [1280, 320]) {
        for (const scripted of [true, false]) faults.push(...await look(page, path, scheme, width, scripted));
      }
    }
  }
  if (faults.length) throw new Error(faults.join('\n'));
  return `${paths.length} pages are accessible`;
}

run('Chromium', 110000, all);
