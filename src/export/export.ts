/** A checkpoint in, a folder or file that other programs load out. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MillraceError } from '../errors.ts';
import { openPretrained, type Pretrained } from '../pretrained/open.ts';
import type { Watch } from '../progress.ts';
import { writeGgufFile } from './gguf.ts';
import { writeHuggingFace } from './huggingface.ts';
import { writeOnnxFolder } from './onnx.ts';

export type ExportFormat = 'hf' | 'onnx' | 'gguf';

const GGUF = 'model.gguf';

const WRITERS: Record<ExportFormat, (pretrained: Pretrained, folder: string) => Promise<void>> = {
  hf: writeHuggingFace,
  onnx: writeOnnxFolder,
  gguf: (pretrained, folder) => writeGgufFile(pretrained, join(folder, GGUF)),
};

/** What `exportModel` takes. */
export interface ExportOptions extends Watch {
  /** A run, a checkpoint or a Hugging Face folder. */
  checkpoint: string;
  /** The vocabulary's folder, where the checkpoint does not say. */
  vocab?: string | undefined;
  /** The folder to write; for GGUF a name that ends in .gguf is the file. */
  out: string;
  /** Hugging Face's folder by default. */
  format?: ExportFormat | undefined;
  /** Do all but put it in place. */
  dryRun?: boolean | undefined;
}

/** Where the export lies, and its files. */
export interface ExportResult {
  out: string;
  format: string;
  /** Names of what was written. */
  files: string[];
}

/**
 * Written under a temporary name and renamed when whole; what stood there before is replaced.
 * @throws `config` where the format can't hold the model.
 */
export async function exportModel(options: ExportOptions): Promise<ExportResult> {
  const { checkpoint, vocab, format = 'hf', signal } = options;
  const out = resolve(options.out);
  const pretrained = await openPretrained({ path: checkpoint, vocab });
  const part = join(dirname(out), `.${process.pid}.${Date.now()}.part`);
  try {
    const single = format === 'gguf' && out.endsWith('.gguf');
    if (!single) await refuseForeign(out);
    await mkdir(part, { recursive: true });
    await WRITERS[format](pretrained, part);
    if (signal?.aborted) throw new MillraceError('cancelled', 'the export was cancelled');
    const files = (await readdir(part, { recursive: true })).sort();
    if (!options.dryRun) {
      await rm(out, { recursive: true, force: true });
      await rename(single ? join(part, GGUF) : part, out);
    }
    return { out: options.out, format, files };
  } finally {
    await rm(part, { recursive: true, force: true });
    await pretrained.weights.close();
  }
}

/** A folder that holds anything but a model is not replaced. */
async function refuseForeign(out: string): Promise<void> {
  const entries = await readdir(out).catch(() => [] as string[]);
  if (entries.length === 0 || entries.includes('config.json') || entries.join() === GGUF) return;
  throw new MillraceError('config', `${out} is not empty and holds no exported model`, {
    hint: 'name a new folder',
  });
}
