/** What a report is made of. Everything but `runs` may be missing: the page then leaves that section out. */
export interface ReportData {
  title: string;
  description?: string | undefined;
  /** The page will be fed more events by a server. */
  live?: boolean;
  runs: RunData[];
  /** Who looked at whom, text by text. */
  attention?: AttentionText[] | undefined;
  tokenizer?: TokenizerData | undefined;
  dataset?: DatasetData | undefined;
  /** Final samples by prompt. */
  samples?: { prompt: string; text: string }[] | undefined;
  /** A table that compares the points of a sweep. */
  comparison?: { head: string[]; rows: (string | number)[][] } | undefined;
  /** The pipeline or recipe as text. */
  config?: { path: string; text: string } | undefined;
  /** Versions, hashes, seeds, machine: name and value. */
  provenance?: [string, string][] | undefined;
}

export type Event = { type: string } & Record<string, unknown>;

export interface RunData {
  name: string;
  events: Event[];
  parameters?: number | undefined;
  evaluation?: Record<string, unknown> | undefined;
  /** Of a fine-tuning: accuracy, F1 and the confusion matrix, or BLEU. */
  scores?: Record<string, unknown> | undefined;
}

export interface AttentionText {
  title: string;
  /** Self-attention; of encoder-decoders three. `weights` are [queries, keys], layers and heads counted from 1. */
  maps: {
    name: string;
    queries: string[];
    keys: string[];
    heads: { layer: number; head: number; weights: number[] }[];
  }[];
}

export interface TokenizerData {
  /** Name and figure. */
  figures: [string, number | string][];
  /** Tokens by length in bytes: index = length, value = how many. */
  lengths: number[];
  longest: string[];
  /** A Hugging Face tokenizers file, for the playground. */
  file?: string | undefined;
}

export interface DatasetData {
  figures: [string, number | string][];
  splits: { name: string; rows: number; tokens: number; documents?: number | undefined }[];
  /** A few decoded rows. */
  rows?: string[] | undefined;
}
