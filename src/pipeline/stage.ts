/**
 * What a stage is: a schema for its keys, the stages it takes from, and a function from those to files in a folder.
 * stages/ holds one a file; the engine (load, plan, run) knows them through this interface alone.
 */
import type { z } from 'zod';
import type { BuildDatasetOptions } from '../dataset/build.ts';
import type { InputFile, Manifest } from '../dataset/manifest.ts';
import type { Watch } from '../progress.ts';
import type { TrainedVocab, TrainVocabOptions } from '../tokenizer/train.ts';

export interface Need {
  /** Kinds of stage that can fill the role. Unless the pipeline says `from`, the nearest one above does. */
  kinds: string[];
  optional?: boolean;
}

/** One input of a running stage: what an earlier stage left. */
export interface Input {
  stage: string;
  kind: string;
  /** Its folder. */
  dir: string;
  /** What its `run` resolved to. */
  summary: Summary;
}

/** Figures and names that later stages and the final table show. It is stored, so it must be JSON. */
export type Summary = Record<string, unknown>;

/** What an engine does in place of this machine, with the same results. */
export interface Elsewhere {
  trainVocab(options: TrainVocabOptions): Promise<TrainedVocab>;
  buildDataset(options: BuildDatasetOptions & { inputs?: InputFile[] }): Promise<Manifest>;
  /** Files by URIs that only the engine reaches. */
  list(patterns: string[]): Promise<{ path: string; bytes: number; modified: number }[]>;
}

export interface Job<C> extends Watch {
  name: string;
  config: C;
  inputs: Record<string, Input>;
  /** Where to write. Empty, or (for stages that resume) what a killed run of the very same key left. */
  out: string;
  /** The pipeline's name, and its run folder. */
  pipeline: { name: string; dir: string; description: string | undefined };
  /** Does the work of stages that can run elsewhere. */
  elsewhere?: Elsewhere | undefined;
  /** An event of the stage's own (a training step, say). */
  onEvent: (event: { type: string } & Record<string, unknown>) => void;
}

export interface Stage<S extends z.ZodType = z.ZodType> {
  kind: string;
  /** One line for help and the schema. */
  about: string;
  /** A strict object. `uses` and `from` are added by the engine. */
  schema: S;
  needs: Record<string, Need>;
  /** Folders of src whose code decides the result, and `native` where the crate does: a change makes results stale. */
  code: string[];
  /** Versions of other software that decide the result. */
  versions?: string[];
  /** Takes every stage above it, by name, rather than `needs`. */
  takesAll?: boolean;
  /** Works in its final place and can go on from what a killed run left. Others write to a temporary folder. */
  resumes?: boolean;
  /** Entries (a leading name, or a prefix ending in `*`) that it puts into the run folder itself while it bears its kind's name. */
  entries?: string[];
  /** Files of the outside world that it reads: their bytes are part of its key. */
  reads?(config: z.output<S>): Promise<string[]>;
  /** Is this output the same for the same inputs? Others (times, throughput) aren't part of the result's hash. Default: all are. */
  deterministic?(path: string): boolean;
  /** What the stage would be, for --dry-run: a line each. Throws where it could never run. */
  preview?(about: {
    config: z.output<S>;
    inputs: Record<string, { kind: string; config: Record<string, unknown> }>;
  }): Promise<string[]>;
  run(job: Job<z.output<S>>): Promise<Summary>;
}

/** A stage as one pipeline uses it, inputs resolved to names. */
export interface Step {
  name: string;
  stage: Stage;
  config: Record<string, unknown>;
  inputs: Record<string, string>;
}

export interface Pipeline {
  name: string;
  description: string | undefined;
  /** The run folder. */
  dir: string;
  /** In an order that runs. */
  steps: Step[];
  /** Paths into the file and the values that each takes; all combinations are run. */
  sweep: Record<string, unknown[]>;
  /** The file, and its text with overrides told apart. */
  source: { path: string; text: string; overrides: string[] };
}
