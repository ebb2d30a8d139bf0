/** A dataset folder in, its manifest out: what it was made of, how, and what each shard must hash to. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../errors.ts';

/** What manifest.json of a dataset says: what it was made of, how, and what each shard must hash to. */
export interface Manifest {
  format: 'millrace-dataset';
  /** Version of the program that wrote it. */
  code: string;
  plan: Plan;
  planSha256: string;
  inputs: InputFile[];
  splits: Split[];
  statistics: {
    documents: number;
    textBytes: number;
    tokens: number;
    rejected: number;
    filtered: number;
    copies: number;
  };
}

/** `sha256` is empty for a file that only an engine reached. */
export interface InputFile {
  path: string;
  bytes: number;
  sha256: string;
}

/** Everything besides the text that a dataset's bytes depend on. */
export interface Plan {
  version: number;
  task: { kind: string } & Record<string, unknown>;
  seqLen: number;
  seed: number;
  split: [train: number, validation: number, test: number];
  fields: { names: string[]; nested?: boolean };
  clean: Record<string, unknown>;
  vocabulary: { size: number; sha256: string; special: Special };
  partitionBytes: number;
}

/** Ids of the special tokens by role; null where the vocabulary has none. */
export interface Special {
  pad: number | null;
  unk: number | null;
  bos: number | null;
  eos: number | null;
  cls: number | null;
  sep: number | null;
  mask: number | null;
  sentinels: number[];
  all: number[];
}

export interface Split {
  name: 'train' | 'validation' | 'test';
  documents: number;
  rows: number;
  /** Tokens in rows, padding apart. */
  tokens: number;
  padding: number;
  /** Documents that were longer than a row and had to be cut. */
  cutDocuments: number;
  /** Pairs whose second text comes from elsewhere, or that were swapped. */
  randomPairs: number;
  /** `parquet`, where it was asked for: the file of the same name that ends in `.parquet`. */
  shards: {
    file: string;
    rows: number;
    bytes: number;
    sha256: string;
    parquet?: { bytes: number; sha256: string };
  }[];
}

/** Throws `input` where the folder holds no dataset, `corrupt` where the manifest can't be read. */
export async function readDatasetManifest(dir: string): Promise<Manifest> {
  const path = join(dir, 'manifest.json');
  const text = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new MillraceError('input', `${dir}: there is no dataset here (no manifest.json)`, {
      hint: 'make one with `millrace dataset build`',
      cause,
    });
  });
  try {
    return JSON.parse(text) as Manifest;
  } catch (cause) {
    throw new MillraceError('corrupt', `${path}: ${(cause as Error).message}`, { cause });
  }
}
