"""tiktoken on one thread; `--vocab` names a file of ranks whose stem is the encoding's name."""

from pathlib import Path

from encode_documents import measure


def load(vocab):
    from tiktoken.load import load_tiktoken_bpe
    import tiktoken

    patterns = {
        "r50k_base": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
        "cl100k_base": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    }
    name = Path(vocab).stem
    encoding = tiktoken.Encoding(
        name, pat_str=patterns[name], mergeable_ranks=load_tiktoken_bpe(vocab), special_tokens={}
    )
    return lambda texts: sum(len(encoding.encode_ordinary(text)) for text in texts)


measure(load)
