/** Out: the path of the libonnxruntime that the onnxruntime-node package brings for this platform. */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { MillraceError } from '../errors.ts';

const NAMES: Partial<Record<NodeJS.Platform, RegExp>> = {
  linux: /^libonnxruntime\.so\.\d+$/,
  darwin: /^libonnxruntime\.\d+\.dylib$/,
  win32: /^onnxruntime\.dll$/,
};

/** @throws `environment` where the package or its library for this platform is missing. */
export function findRuntime({ from = import.meta.url }: { from?: string } = {}): string {
  const hint = 'reinstall it with `npm install onnxruntime-node`';
  let root: string;
  try {
    root = dirname(createRequire(from).resolve('onnxruntime-node/package.json'));
  } catch (cause) {
    throw new MillraceError('environment', 'the package onnxruntime-node is not installed', { hint, cause });
  }
  const folder = join(root, 'bin', 'napi-v6', process.platform, process.arch);
  const pattern = NAMES[process.platform];
  try {
    const name = pattern && readdirSync(folder).find((file) => pattern.test(file));
    if (name) return join(folder, name);
  } catch {
    // No such folder: said below.
  }
  throw new MillraceError('environment', `onnxruntime-node has no library for ${process.platform} ${process.arch}`, {
    hint: `${hint}; it is looked for in ${folder}`,
  });
}
