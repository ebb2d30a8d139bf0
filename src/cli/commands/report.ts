/** `millrace report`: one self-contained HTML page about a run, or about several on top of each other. */
import { action, type Define } from '../command.ts';
import { bytes } from '../format.ts';

const define: Define = (command) => {
  command
    .argument('<runs...>', 'run folders; the first one gives everything but the curves')
    .option('-o, --out <file>', 'where to write (default: report.html in the first folder)')
    .option('--svg <file>', 'also the loss curves alone, as a picture')
    .option('--dry-run', 'read everything, write nothing')
    .action(
      action(async (_, runs: [string, ...string[]], options: { out?: string; svg?: string; dryRun?: boolean }) => {
        const { writeReport } = await import('../../report/write.ts');
        const data = await writeReport({ runs, ...options });
        const verb = options.dryRun ? 'would write' : 'wrote';
        return { data, text: `${verb} ${data.path} (${bytes(data.bytes)})` };
      }),
    );
};
export default define;
