import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Browser } from 'playwright-core';
import { reportHtml } from '../../src/report/html.ts';
import { axe, launch, open } from './browser.ts';
import { events, sampleReport } from './sample.ts';

let browser: Browser;
let url: string;

test.before(async () => {
  browser = await launch();
  const dir = await mkdtemp(join(tmpdir(), 'millrace-report-'));
  const data = sampleReport();
  data.runs.push({ name: 'other', events: events({ seed: 7, floor: 3.1 }) });
  await writeFile(join(dir, 'report.html'), reportHtml(data));
  url = `file://${join(dir, 'report.html')}`;
});
test.after.always(() => browser?.close());

for (const width of [1440, 390]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`the report at ${width} pixels, ${colorScheme}: no complaint, no sideways scrolling, axe-clean`, async (t) => {
      const { page, complaints } = await open(browser, { width, colorScheme });
      await page.goto(url);
      await page.waitForSelector('#chart-loss canvas');
      t.deepEqual(complaints, []);
      t.true(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'));
      t.deepEqual(await axe(page), []);
      await page.close();
    });
  }
}

test('figures, curves and samples show the run', async (t) => {
  const { page } = await open(browser, { width: 1440, colorScheme: 'light' });
  await page.goto(url);
  t.is(await page.textContent('[data-figure="validation loss"]'), '3.512');
  t.is(await page.textContent('[data-figure="parameters"]'), '1.84 M');
  const last = sampleReport().runs[0]!.events.findLast(({ type }) => type === 'step')!.loss as number;
  const shown = Number(await page.textContent('[data-metric="loss"][data-run="quickstart"]'));
  t.true(Math.abs(shown - last) < 1e-3, `${shown} for ${last}`);
  t.is(await page.locator('.chart').count(), 5);
  t.regex((await page.textContent('#samples .sample')) ?? '', /It was step 300, and the whale <was> white/);
  await page.locator('#samples input').first().focus();
  await page.keyboard.press('Home');
  t.regex((await page.textContent('#samples .sample')) ?? '', /It was step 50/);
  await page.close();
});

test('a chart is read by keyboard', async (t) => {
  const { page } = await open(browser, { width: 1440, colorScheme: 'light' });
  await page.goto(url);
  await page.focus('#chart-loss');
  await page.keyboard.press('Home');
  t.regex((await page.textContent('.chart [aria-live]')) ?? '', /^step 1: .*training [\d.]+/);
  await page.keyboard.press('End');
  t.regex((await page.textContent('.chart [aria-live]')) ?? '', /^step 300: /);
  await page.close();
});

test('axis, smoothing, log scale and theme can be changed', async (t) => {
  const { page, complaints } = await open(browser, { width: 390, colorScheme: 'dark' });
  await page.goto(url);
  await page.selectOption('#axis', 'tokens');
  t.regex((await page.getAttribute('#chart-loss', 'aria-label')) ?? '', /Loss over tokens/);
  await page.selectOption('#axis', 'time');
  await page.check('#log');
  await page.fill('#smoothing', '0');
  await page.click('#theme');
  t.is(await page.getAttribute('html', 'data-theme'), 'light');
  t.deepEqual(await axe(page), []);
  await page.locator('#charts summary').first().click();
  await page.locator('#charts table tr').nth(20).waitFor();
  t.deepEqual(complaints, []);
  await page.close();
});

test('the playground cuts text as the vocabulary does', async (t) => {
  const { page } = await open(browser, { width: 1440, colorScheme: 'light' });
  await page.goto(url);
  await page.fill('#text', 'Call me.<|endoftext|>');
  t.deepEqual(await page.locator('#tokens li span').allTextContents(), ['C', 'all', '·me', '.', '<|endoftext|>']);
  t.deepEqual(await page.locator('#tokens li small').allTextContents(), ['0', '7', '9', '10', '11']);
  t.is(await page.textContent('#count'), '5 tokens, 21 bytes, 4.20 bytes a token');
  await page.close();
});

test('text from a run can’t become part of the page', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-report-'));
  const evil = '</script><script>document.title="broken"</script><img src=x onerror="document.title=1">';
  const data = sampleReport();
  data.title = evil;
  data.runs = [{ name: evil, events: [...events(), { type: 'sample', step: 300, prompt: evil, text: evil }] }];
  data.samples = [{ prompt: evil, text: evil }];
  data.config = { path: evil, text: evil };
  await writeFile(join(dir, 'report.html'), reportHtml(data));
  const { page, complaints } = await open(browser, { width: 1440, colorScheme: 'light' });
  await page.goto(`file://${join(dir, 'report.html')}`);
  await page.waitForSelector('#chart-loss canvas');
  t.is(await page.title(), `${evil} · Millrace`);
  t.is(await page.locator('img').count(), 0);
  t.deepEqual(complaints, []);
  await page.close();
});
