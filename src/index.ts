/** The whole public API of Millrace. */
export { type ErrorCode, MillraceError } from './errors.ts';
export type { Progress, Watch } from './progress.ts';
export { type TrainedVocab, type TrainVocabOptions, trainVocab } from './tokenizer/train.ts';
