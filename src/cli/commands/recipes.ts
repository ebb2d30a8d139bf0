/** `millrace recipes`: the pipelines that come along, listed with what each makes, or copied to be changed. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MillraceError } from '../../errors.ts';
import { action, type Define } from '../command.ts';
import { table } from '../format.ts';

const folder = fileURLToPath(new URL('../../../pipelines', import.meta.url));

const define: Define = (command) => {
  command
    .command('list')
    .description('names and what they make')
    .action(
      action(async () => {
        const names = await list();
        const recipes = await Promise.all(names.map(async (name) => ({ name, description: await firstLine(name) })));
        return {
          data: { recipes },
          text: table([['name', 'what it makes'], ...recipes.map((r) => [r.name, r.description])]),
        };
      }),
    );
  command
    .command('copy')
    .description('copy one into this folder, to be changed')
    .argument('<name>')
    .option('-o, --out <file>', 'where to (default: <name>.yaml)')
    .option('--force', 'replace a file that is there')
    .option('--dry-run', 'say what would be written, write nothing')
    .action(
      action(async (_, name: string, options: { out?: string; force?: boolean; dryRun?: boolean }) => {
        const names = await list();
        if (!names.includes(name)) {
          const { nearest } = await import('../../config/nearest.ts');
          const guess = nearest(name, names);
          throw new MillraceError('usage', `no recipe '${name}'`, {
            hint: guess ? `did you mean '${guess}'?` : `known: ${names.join(', ')}`,
          });
        }
        const path = options.out ?? `${name}.yaml`;
        if (!options.force && existsSync(path)) {
          throw new MillraceError('usage', `${path} is there already`, {
            hint: 'choose another name with --out, or replace it with --force',
          });
        }
        if (!options.dryRun) {
          const { writeWhole } = await import('../../atomic.ts');
          await writeWhole(path, await readFile(join(folder, `${name}.yaml`)));
        }
        return {
          data: { path },
          text: options.dryRun ? `would write ${path}` : `wrote ${path}; next: millrace run ${path}`,
        };
      }),
    );
};
export default define;

async function list(): Promise<string[]> {
  const entries = await readdir(folder).catch(() => []);
  return entries
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -5))
    .sort();
}

/** The comment that a pipeline begins with. */
async function firstLine(name: string): Promise<string> {
  const text = await readFile(join(folder, `${name}.yaml`), 'utf8');
  return /^# (.*)$/m.exec(text)?.[1] ?? '';
}
