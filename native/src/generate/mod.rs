//! Next-token logits enter, token ids leave: the choice of a token is pure, the loop drives runtime::decoder.

pub mod generator;
pub mod random;
pub mod sample;
