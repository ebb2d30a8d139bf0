/** The page of attention in a browser: no complaint, no sideways scrolling, axe-clean, weights read out under the pointer. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Browser } from 'playwright-core';
import { attentionHtml } from '../../src/report/attention.ts';
import { axe, launch, open } from './browser.ts';

let browser: Browser;
let url: string;

test.before(async () => {
  browser = await launch();
  const dir = await mkdtemp(join(tmpdir(), 'millrace-attention-'));
  const tokens = ['the', '·mill', '·wheel', '·turns'];
  const weights = Float32Array.from([1, 0, 0, 0, 0.5, 0.5, 0, 0, 0.2, 0.3, 0.5, 0, 0.1, 0.2, 0.3, 0.4]);
  const heads = [1, 2, 3, 4, 5, 6, 7, 8].map((head) => ({ layer: 1, head, weights }));
  const maps = [{ name: 'self-attention', queries: tokens, keys: tokens, heads }];
  url = `file://${join(dir, 'attention.html')}`;
  await writeFile(
    join(dir, 'attention.html'),
    attentionHtml({ title: 'A mill', texts: [{ title: 'the mill', maps }] }),
  );
});
test.after.always(() => browser?.close());

for (const width of [1440, 390])
  for (const colorScheme of ['light', 'dark'] as const)
    test(`${width} pixels, ${colorScheme}`, async (t) => {
      const { page, complaints } = await open(browser, { width, colorScheme });
      await page.goto(url);
      t.true(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'));
      t.deepEqual(await axe(page), []);
      const box = (await page.locator('image').first().boundingBox())!;
      await page.mouse.move(box.x + 0.3 * box.width, box.y + 0.6 * box.height);
      await page.waitForFunction("document.querySelector('output').textContent.includes('%')");
      t.regex((await page.textContent('output'))!, /layer 1, head 1: “·wheel” looks at “·mill” with (29|30)\.\d %/);
      t.deepEqual(complaints, []);
      await page.close();
    });
