/** A model in, the folder that transformers.js loads out: config and tokenizer, and onnx/*.onnx with the weights inside. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../errors.ts';
import type { Pretrained } from '../pretrained/open.ts';
import { writeDescription } from './huggingface.ts';
import { onnxGraphs } from './onnx_graphs.ts';

/** A protobuf message, and so a model in one file, holds at most 2 GiB. */
const MOST = 2 ** 31 - 2 ** 20;

export async function writeOnnxFolder(pretrained: Pretrained, folder: string): Promise<void> {
  const { model, weights } = pretrained;
  const graphs = onnxGraphs(model);
  const bytes = model.parameters.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
  if (bytes > MOST) {
    throw new MillraceError('config', `the weights take ${(bytes / 1e9).toFixed(1)} GB, a .onnx file holds 2`, {
      hint: 'export it as hf or gguf',
    });
  }
  const values = new Map(
    model.parameters.map(({ name, shape }) => [name, new Float32Array(shape.reduce((a, b) => a * b, 1))]),
  );
  await weights.each(model.parameters, (name, piece, start) => values.get(name)!.set(piece, start), {
    optional: (name) => model.parameters.some((parameter) => parameter.name === name && parameter.buffer),
  });
  const initializers = new Map([...values].map(([name, data]) => [name, new Uint8Array(data.buffer)]));
  await mkdir(join(folder, 'onnx'));
  for (const { file, build } of graphs) await writeFile(join(folder, 'onnx', `${file}.onnx`), build(initializers));
  await writeDescription(pretrained, folder);
}
