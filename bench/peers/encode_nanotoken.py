"""nanotoken (PyPI, WordPiece) on one thread."""

from encode_documents import measure


def load(vocab):
    import nanotoken

    tokenizer = nanotoken.Tokenizer(vocab)
    return lambda texts: int(tokenizer.encode_batch(texts, add_special_tokens=False, parallel=False).offsets[-1])


measure(load)
