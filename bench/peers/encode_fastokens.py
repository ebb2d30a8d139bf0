"""fastokens (PyPI) on one thread; document by document, as its batch call starts threads."""

from pathlib import Path

from encode_documents import measure


def load(vocab):
    from fastokens._native import Tokenizer

    if vocab.endswith(".tiktoken"):
        tokenizer = Tokenizer.from_tiktoken(vocab, encoding=Path(vocab).stem)
    else:
        tokenizer = Tokenizer.from_file(vocab)
    return lambda texts: sum(len(tokenizer.encode(text)) for text in texts)


measure(load)
