//! What the special tokens of a vocabulary are for, told by their names.

/// The ids of the tokens that mark beginning, end, padding and so on, where the vocabulary has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub pad: Option<u32>,
    pub unk: Option<u32>,
    pub cls: Option<u32>,
    pub sep: Option<u32>,
    pub mask: Option<u32>,
}

const BOS: [&str; 7] = ["<s>", "<bos>", "[BOS]", "<|begin_of_text|>", "<|bos|>", "<|startoftext|>", "<|endoftext|>"];
const EOS: [&str; 6] = ["</s>", "<eos>", "[EOS]", "<|end_of_text|>", "<|eos|>", "<|endoftext|>"];
const PAD: [&str; 5] = ["[PAD]", "<pad>", "<|pad|>", "<PAD>", "<|finetune_right_pad_id|>"];
const UNK: [&str; 4] = ["[UNK]", "<unk>", "<UNK>", "<|unk|>"];
const CLS: [&str; 3] = ["[CLS]", "<cls>", "<CLS>"];
const SEP: [&str; 3] = ["[SEP]", "<sep>", "<SEP>"];
const MASK: [&str; 4] = ["[MASK]", "<mask>", "<MASK>", "<|mask|>"];

impl Roles {
    /// `id` finds a token by its text; `unk` is the model's own unknown token.
    pub fn find(unk: Option<&str>, id: impl Fn(&str) -> Option<u32>) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| id(name));
        Self {
            bos: first(&BOS),
            eos: first(&EOS),
            pad: first(&PAD),
            unk: unk.and_then(&id).or_else(|| first(&UNK)),
            cls: first(&CLS),
            sep: first(&SEP),
            mask: first(&MASK),
        }
    }
}
