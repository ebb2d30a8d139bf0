/** How long work tells about itself: the two options that every long call of the library takes. */

/** How far a piece of work is. */
export interface Progress {
  /** What is being done, such as `count`, `merge`, `encode`, `train`. */
  phase: string;
  done: number;
  /** 0 while not known. */
  total: number;
  unit: 'bytes' | 'documents' | 'rows' | 'tokens' | 'merges' | 'steps';
}

/** What every long call takes. */
export interface Watch {
  /** Stops the work early; it then rejects with a `cancelled` error and leaves no half-written output. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}
