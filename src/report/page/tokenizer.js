/**
 * A tokenizers file (tokenizer.json) and text in, tokens out: byte-level BPE and WordPiece, as the playground needs them.
 * It is small rather than fast; the library's own encoder is native.
 */

/** GPT-2's split, which a ByteLevel pre-tokenizer uses by itself. */
const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/** Bytes as the printable characters that stand for them in byte-level vocabularies (GPT-2's table). */
export function byteAlphabet() {
  const own = (b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(own(b) ? b : next++));
}

/** A pattern of Rust's regex engines as JavaScript reads it. */
export function pattern(source) {
  const plain = source
    .replace(/(?<!\\)([+*?]|\{\d+,?\d*\})\+/g, '$1')
    .replaceAll('\\A', '^')
    .replaceAll('\\z', '$');
  try {
    return new RegExp(plain, 'gu');
  } catch {
    // Engines without inline flags: the contractions are all that the known patterns use them for.
    return new RegExp(
      plain
        .replace(/\(\?i:'s\|'t\|'re\|'ve\|'m\|'ll\|'d\)/g, "(?:'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL]))")
        .replace(/\(\?i:/g, '(?:'),
      'gu',
    );
  }
}

export class Playground {
  constructor(file) {
    this.model = file.model;
    this.vocab = file.model.vocab;
    this.kind = file.model.type ?? (file.model.merges ? 'BPE' : 'WordPiece');
    this.added = new Map((file.added_tokens ?? []).filter((t) => t.content).map((t) => [t.content, t.id]));
    const steps = [file.pre_tokenizer].flatMap((p) => (p?.type === 'Sequence' ? p.pretokenizers : [p])).filter(Boolean);
    this.byteLevel = steps.find(({ type }) => type === 'ByteLevel');
    this.prefixSpace = this.byteLevel?.add_prefix_space === true;
    const splits = steps
      .filter(({ type }) => type === 'Split')
      .map((s) => pattern(s.pattern.Regex ?? s.pattern.String));
    this.splits =
      splits.length > 0 ? splits : this.byteLevel && this.byteLevel.use_regex !== false ? [pattern(GPT2)] : [];
    const normalizers = [file.normalizer]
      .flatMap((n) => (n?.type === 'Sequence' ? n.normalizers : [n]))
      .filter(Boolean);
    this.bert = normalizers.find(({ type }) => type === 'BertNormalizer');
    this.lowercase = this.bert?.lowercase ?? normalizers.some(({ type }) => type === 'Lowercase');
    this.forms = normalizers.map(({ type }) => type).filter((type) => /^NFK?[CD]$/.test(type));
    this.ranks = new Map(
      (file.model.merges ?? []).map((merge, rank) => [Array.isArray(merge) ? merge.join(' ') : merge, rank]),
    );
    this.bytes = byteAlphabet();
    this.cache = new Map();
  }

  /** Tokens of a text: `{id, text, special}`, where text is what a reader sees. */
  encode(text) {
    return this.cut(text).flatMap(({ piece, id }) =>
      id === undefined ? this.plain(piece) : [{ id, text: piece, special: true }],
    );
  }

  /** Added tokens, found first, leftmost. */
  cut(text) {
    const parts = [];
    const names = [...this.added.keys()].sort((a, b) => b.length - a.length);
    let start = 0;
    for (let at = 0; at < text.length; ) {
      const name = names.find((candidate) => text.startsWith(candidate, at));
      if (!name) {
        at++;
        continue;
      }
      if (at > start) parts.push({ piece: text.slice(start, at) });
      parts.push({ piece: name, id: this.added.get(name) });
      at += name.length;
      start = at;
    }
    if (start < text.length) parts.push({ piece: text.slice(start) });
    return parts;
  }

  plain(text) {
    return this.kind === 'WordPiece' ? this.words(text).flatMap((word) => this.wordPiece(word)) : this.byteBpe(text);
  }

  byteBpe(text) {
    let input = this.forms.reduce((t, form) => t.normalize(form), text);
    if (this.lowercase) input = input.toLowerCase();
    if (this.prefixSpace && !/^\s/.test(input)) input = ` ${input}`;
    let pieces = [input];
    for (const split of this.splits) pieces = pieces.flatMap((piece) => isolate(piece, split));
    return pieces.flatMap((piece) => this.merge(piece));
  }

  /** The merges of a piece, least rank first. */
  merge(piece) {
    const cached = this.cache.get(piece);
    if (cached) return cached;
    const bytes = new TextEncoder().encode(piece);
    let symbols = this.byteLevel ? [...bytes].map((b) => this.bytes[b]) : [...piece];
    const whole = symbols.join('');
    if (this.model.ignore_merges && whole in this.vocab) symbols = [whole];
    while (symbols.length > 1) {
      let [best, at] = [Number.POSITIVE_INFINITY, -1];
      for (let i = 0; i + 1 < symbols.length; i++) {
        const rank = this.ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Number.POSITIVE_INFINITY;
        if (rank < best) [best, at] = [rank, i];
      }
      if (at < 0) break;
      symbols.splice(at, 2, symbols[at] + symbols[at + 1]);
    }
    const tokens = symbols.map((symbol) => ({ id: this.vocab[symbol], text: this.readable(symbol) }));
    this.cache.set(piece, tokens);
    return tokens;
  }

  /** Byte characters back to text; bytes that are no whole character show as hex. */
  readable(symbol) {
    if (!this.byteLevel) return symbol;
    this.values ??= new Map(this.bytes.map((char, byte) => [char, byte]));
    const bytes = Uint8Array.from([...symbol].map((char) => this.values.get(char) ?? 0));
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      return [...bytes].map((b) => `\\x${b.toString(16).padStart(2, '0')}`).join('');
    }
  }

  /** BERT's words: clean, CJK apart, no accents, lower case, punctuation apart. */
  words(text) {
    let input = text.replace(/[\p{Cc}\p{Cf}\p{Co}\ufffd]/gu, (c) => (/[\t\n\r]/.test(c) ? ' ' : ''));
    input = input.replace(/[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u{20000}-\u{2ceaf}]/gu, ' $& ');
    if (this.bert?.strip_accents ?? this.lowercase) input = input.normalize('NFD').replace(/\p{Mn}/gu, '');
    if (this.lowercase) input = input.toLowerCase();
    return input
      .replace(/[\p{P}$+<=>^`|~]/gu, ' $& ')
      .split(/\s+/u)
      .filter(Boolean);
  }

  /** Longest piece first (BERT's greedy match). */
  wordPiece(word) {
    const prefix = this.model.continuing_subword_prefix ?? '##';
    const unknown = this.model.unk_token ?? '[UNK]';
    const chars = [...word];
    const tokens = [];
    for (let start = 0; start < chars.length; ) {
      let end = chars.length;
      let piece;
      for (; end > start; end--) {
        piece = (start > 0 ? prefix : '') + chars.slice(start, end).join('');
        if (piece in this.vocab) break;
      }
      if (end === start || chars.length > (this.model.max_input_chars_per_word ?? 100)) {
        return [{ id: this.vocab[unknown], text: unknown, special: true }];
      }
      tokens.push({ id: this.vocab[piece], text: piece });
      start = end;
    }
    return tokens;
  }
}

/** The matches of a pattern and what lies between them. */
function isolate(text, split) {
  const parts = [];
  let start = 0;
  for (const { 0: match, index } of text.matchAll(split)) {
    if (index > start) parts.push(text.slice(start, index));
    if (match) parts.push(match);
    start = index + match.length;
  }
  if (start < text.length) parts.push(text.slice(start));
  return parts;
}
