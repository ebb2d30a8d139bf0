/** Run folders in, one self-contained HTML page about them out. */
import { join } from 'node:path';
import { writeWhole } from '../atomic.ts';
import { collect } from './collect.ts';
import { reportHtml } from './html.ts';
import { spark } from './spark.ts';

/** What `writeReport` takes. */
export interface ReportOptions {
  /** Run folders; the first one gives everything but the curves. */
  runs: [string, ...string[]];
  /** Where to write; report.html in the first folder where left out. */
  out?: string | undefined;
  /** A picture of the loss curves alone, as SVG. */
  svg?: string | undefined;
  /** Read everything, write nothing. */
  dryRun?: boolean | undefined;
}

/**
 * Throws `input` where a folder holds no run, `corrupt` where a file of it can't be read.
 *
 * @example
 * const { path } = await writeReport({ runs: ['runs/gpt-tiny', 'runs/llama-tiny'], out: 'both.html' });
 */
export async function writeReport(options: ReportOptions): Promise<{ path: string; bytes: number; runs: string[] }> {
  const { runs, out, svg, dryRun } = options;
  const [first, ...others] = runs;
  const data = await collect(first);
  for (const dir of others) data.runs.push(...(await collect(dir)).runs);
  const path = out ?? join(first, 'report.html');
  const html = reportHtml(data);
  if (!dryRun) await writeWhole(path, html);
  if (!dryRun && svg !== undefined) await writeWhole(svg, `${spark(data.runs)}\n`);
  return { path, bytes: Buffer.byteLength(html), runs: data.runs.map(({ name }) => name) };
}
