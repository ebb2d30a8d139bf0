"""gigatoken (PyPI) on one thread."""

from encode_documents import measure


def load(vocab):
    import awkward
    import gigatoken

    tokenizer = gigatoken.Tokenizer.from_tiktoken(vocab) if vocab.endswith(".tiktoken") else gigatoken.Tokenizer(vocab)
    return lambda texts: int(awkward.count(tokenizer.encode_batch(texts, parallel=False)))


measure(load)
