/** The whole public API of Millrace. */
export { type CleanCorpusOptions, type Cleaned, type CleanOptions, cleanCorpus } from './corpus/clean.ts';
export { type Corpus, type CorpusOptions, resolveCorpus } from './corpus/resolve.ts';
export { type Batch as DatasetBatch, type BatchesOptions, batches, type Cursor } from './dataset/batches.ts';
export { type BuildDatasetOptions, buildDataset, planDataset } from './dataset/build.ts';
export type { Manifest as DatasetManifest } from './dataset/manifest.ts';
export { shardTables } from './dataset/open.ts';
export type { MaskingOptions, PairOptions, TaskOptions } from './dataset/task.ts';
export { verifyDataset } from './dataset/verify.ts';
export { buildDatasetOn } from './engine/dataset.ts';
export { Engine, type EngineOptions } from './engine/engine.ts';
export { type MergeOptions, mergeStages } from './engine/merge.ts';
export { type PlannedStages, planCountStages, planDatasetStages } from './engine/plan.ts';
export { trainVocabOn } from './engine/vocab.ts';
export { type ErrorCode, MillraceError } from './errors.ts';
export { type ExportOptions, type ExportResult, exportModel } from './export/export.ts';
export { type FinetuneOptions, type FinetuneResult, finetune } from './finetune/finetune.ts';
export { type FinetuneRecipe, finetuneSchema } from './finetune/recipe.ts';
export { type ScoreOptions, type Scores, scoreFinetuned } from './finetune/score.ts';
export {
  type AttentionChoice,
  type AttentionOptions,
  type AttentionWeights,
  attention,
} from './generate/attention.ts';
export { type ClassifiedText, type ClassifyOptions, classify } from './generate/classify.ts';
export { type EmbedOptions, embed, type Filling, fill } from './generate/masked.ts';
export { type SampleOptions, type SampleResult, sample } from './generate/sample.ts';
export { type TranslateOptions, type Translation, translate, translations } from './generate/translate.ts';
export { type Bleu, type BleuOptions, bleu } from './metrics/bleu.ts';
export { type Classification, classification } from './metrics/classification.ts';
export {
  buildModel,
  countParameters,
  type Model,
  type ModelConfig,
  type Parameter,
  type Program,
} from './model/index.ts';
export { pipelineStatus, type RunPipelineOptions, runPipeline } from './pipeline/api.ts';
export type { Verdict } from './pipeline/plan.ts';
export type { RunEvent, RunResult } from './pipeline/run.ts';
export type { Progress, Watch } from './progress.ts';
export { type ReportOptions, writeReport } from './report/write.ts';
export { Encoding, type OffsetUnit } from './tokenizer/encoding.ts';
export { type ExtendedVocab, type ExtendVocabOptions, extendVocab } from './tokenizer/extend.ts';
export type {
  AddedToken,
  Batch,
  BatchOptions,
  DecodeStream,
  EncodeOptions,
  Padding,
  SpecialTokens,
  Truncation,
} from './tokenizer/options.ts';
export { type PrunedVocab, type PruneVocabOptions, pruneVocab } from './tokenizer/prune.ts';
export { Tokenizer } from './tokenizer/tokenizer.ts';
export { type TrainedVocab, type TrainVocabOptions, trainVocab } from './tokenizer/train.ts';
export { type DatasetSourceOptions, datasetSource } from './train/data.ts';
export { type DeviceReport, probeDevices } from './train/device.ts';
export type { Evaluation } from './train/evaluate.ts';
export { type EvaluateRunOptions, evaluateRun } from './train/evaluate_run.ts';
export type { TrainEvent } from './train/events.ts';
export { type ProgramChoice, programsOf } from './train/model.ts';
export { planTraining, type TrainPlan } from './train/plan.ts';
export { type LoopRecipe, loopSchema, type Recipe, recipeSchema } from './train/recipe.ts';
export type { BatchShape, BatchSource, ProgramSource, TrainBatch } from './train/source.ts';
export { type TrainOptions, train } from './train/train.ts';
export { type TrainerOptions, type TrainResult, trainPrograms } from './train/trainer.ts';
