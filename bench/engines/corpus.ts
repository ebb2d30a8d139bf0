/** A size in, a folder of mixed text of that size out: documents of the installed packages (prose, code, a dozen languages),
 * as large and small files of the formats that the readers of an engine treat each in its own way. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fastGlob from 'fast-glob';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Documents of a few kB, without end: the packages' text again and again, each time cut elsewhere. */
function* documents(): Generator<string> {
  const files = fastGlob
    .sync(['**/*.{md,txt,json,ts,js}', '!**/*.min.js', '!.*/**'], { cwd: join(root, 'node_modules') })
    .sort()
    .filter((path) => statSync(join(root, 'node_modules', path)).size < 2 << 20);
  for (let pass = 0; ; pass++) {
    for (const path of files) {
      const lines = readFileSync(join(root, 'node_modules', path), 'utf8').split('\n');
      let text = '';
      for (const [i, line] of lines.entries()) {
        text += `${line}\n`;
        if (text.length < 2000 + 37 * ((i * 31 + pass * 7) % 101)) continue;
        yield text;
        text = '';
      }
      if (text.trim() !== '') yield text;
    }
  }
}

/** Writes the files; `python` writes the one of columns. */
export async function makeCorpus(folder: string, megabytes: number, python: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const source = documents();
  const take = (share: number): string[] => {
    const taken: string[] = [];
    for (let size = 0; size < share * megabytes * 1e6; ) {
      const text = source.next().value as string;
      taken.push(text);
      size += Buffer.byteLength(text);
    }
    return taken;
  };
  const jsonl = (texts: string[]) => texts.map((text) => `${JSON.stringify({ text })}\n`).join('');
  const large = take(0.5);
  // Some documents twice.
  await writeFile(join(folder, 'large.jsonl'), `${jsonl([...large, ...large.slice(0, 20)])}`);
  writeFileSync(join(folder, 'packed.jsonl.gz'), gzipSync(jsonl(take(0.2)), { level: 1 }));
  const small = take(0.15);
  const step = Math.ceil(small.length / 40);
  for (let i = 0; i < small.length; i += step) {
    await writeFile(
      join(folder, `small-${i}.txt`),
      small
        .slice(i, i + step)
        .join('\n')
        .trimEnd(),
    );
  }
  await writeFile(join(folder, 'columns.jsonl'), jsonl(take(0.15)));
  const script = `
import pyarrow.json, pyarrow.parquet, os, sys
table = pyarrow.json.read_json(sys.argv[1], read_options=pyarrow.json.ReadOptions(block_size=1 << 26))
pyarrow.parquet.write_table(table, sys.argv[2], compression="none", row_group_size=500)
os.remove(sys.argv[1])`;
  execFileSync(python, ['-c', script, join(folder, 'columns.jsonl'), join(folder, 'columns.parquet')]);
}
