//! Text to vocabulary: counting, BPE, WordPiece.
