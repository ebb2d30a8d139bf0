/** Keys of YAML (seq_len) in, those of the library's options (seqLen) out. */
export const camel = (keys: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(keys).map(([key, value]) => [key.replace(/_(.)/g, (_, letter) => letter.toUpperCase()), value]),
  );
