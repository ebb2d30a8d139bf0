/** `millrace doctor`: what this machine can do, each answer tried out, with a remedy for each failure. */
import { MillraceError } from '../../errors.ts';
import { action, type Define } from '../command.ts';
import type { Check } from '../doctor.ts';

const define: Define = (command) => {
  command
    .option('--dir <dir>', 'folder whose disk is looked at', '.')
    .option('--engine <name>', 'look at what an engine needs instead: spark, ray, or the URL of a cluster')
    .action(
      action(async (call, options: { dir: string; engine?: string }) => {
        const { stat } = await import('node:fs/promises');
        await stat(options.dir);
        const checks: Check[] = [];
        const examined =
          options.engine === undefined
            ? (await import('../doctor.ts')).examine(options)
            : (await import('../../engine/doctor.ts')).examineEngine(options.engine);
        for await (const check of examined) {
          checks.push(check);
          if (!call.output.json) process.stdout.write(`${line(check, call.output.style.bind(call.output))}\n`);
        }
        const missing = checks.filter(({ state }) => state === 'missing');
        if (missing.length > 0 && !call.output.json) {
          const names = missing.map(({ name }) => name).join(', ');
          throw new MillraceError('environment', `${options.engine ?? 'Millrace'} can't work here: ${names}`, {
            hint: missing[0]!.remedy ?? 'see above',
          });
        }
        if (missing.length > 0) process.exitCode = 3;
        return {
          data: { ok: missing.length === 0, checks },
          text: `\nAll that ${options.engine ?? 'Millrace'} needs is here.`,
        };
      }),
    );
};
export default define;

const MARKS = { ok: ['green', '✓'], absent: ['dim', '–'], missing: ['red', '✗'] } as const;

function line(
  { name, state, detail, remedy }: Check,
  style: (style: 'green' | 'dim' | 'red', text: string) => string,
): string {
  const [color, mark] = MARKS[state];
  const first = `${style(color, mark)} ${name.padEnd(14)} ${detail}`;
  return remedy ? `${first}\n${' '.repeat(17)}${style('dim', `→ ${remedy}`)}` : first;
}
