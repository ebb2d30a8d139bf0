/** `millrace export`: a checkpoint as a folder or file that other programs load. */
import { Option } from 'commander';
import { action, type Define } from '../command.ts';

interface Options {
  out: string;
  format: 'hf' | 'onnx' | 'gguf';
  vocab?: string;
  dryRun?: boolean;
}

const define: Define = (command) => {
  command
    .argument('<checkpoint>', 'a run, a checkpoint, or a Hugging Face folder')
    .requiredOption('-o, --out <path>', 'the folder to write, or the .gguf file')
    .addOption(
      new Option('--format <format>', 'hf: a Hugging Face folder; onnx: that of transformers.js; gguf: one file')
        .choices(['hf', 'onnx', 'gguf'])
        .default('hf'),
    )
    .option('--vocab <dir>', "the vocabulary's folder, where the checkpoint does not say")
    .option('--dry-run', 'check that it can be exported, write nothing')
    .action(
      action(async (call, checkpoint: string, options: Options) => {
        const { exportModel } = await import('../../export/export.ts');
        const result = await exportModel({ checkpoint, ...options, ...call.watch });
        const verb = options.dryRun ? 'would write' : 'wrote';
        return { data: result, text: `${verb} ${result.out}: ${result.files.join(', ')}` };
      }),
    );
};
export default define;
