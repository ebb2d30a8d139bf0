/** The whole public API of Millrace. */
export { type ErrorCode, MillraceError } from './errors.ts';
export type { Progress, Watch } from './progress.ts';
export { Encoding, type OffsetUnit } from './tokenizer/encoding.ts';
export {
  type AddedToken,
  type Batch,
  type BatchOptions,
  type DecodeStream,
  type EncodeOptions,
  type Padding,
  type SpecialTokens,
  Tokenizer,
  type Truncation,
} from './tokenizer/tokenizer.ts';
export { type TrainedVocab, type TrainVocabOptions, trainVocab } from './tokenizer/train.ts';
