//! The options of encoding as JavaScript gives them in, as the encoder takes them out; and what a file says of them back.

use napi_derive::napi;

use crate::encode::{Direction, EncodeOptions, Padding, Strategy, Truncation, Unit};
use crate::error::Error;

#[napi(object)]
pub struct NativeTruncation {
    pub max_length: u32,
    pub stride: u32,
    pub strategy: String,
    pub left: bool,
}

#[napi(object)]
pub struct NativePadding {
    pub length: Option<u32>,
    pub multiple_of: Option<u32>,
    pub id: u32,
    pub type_id: u32,
    pub token: String,
    pub left: bool,
}

#[napi(object)]
pub struct NativeEncodeOptions {
    pub add_special_tokens: bool,
    pub special_as_text: bool,
    pub offsets: String,
    pub truncation: Option<NativeTruncation>,
    pub padding: Option<NativePadding>,
    pub seed: f64,
}

fn side(left: bool) -> Direction {
    if left { Direction::Left } else { Direction::Right }
}

impl NativeTruncation {
    fn read(&self) -> crate::error::Result<Truncation> {
        Ok(Truncation {
            max_length: self.max_length as usize,
            stride: self.stride as usize,
            strategy: match self.strategy.as_str() {
                "longest-first" => Strategy::LongestFirst,
                "only-first" => Strategy::OnlyFirst,
                "only-second" => Strategy::OnlySecond,
                other => {
                    return Err(Error::config(format!(
                        "truncation: strategy {other:?} is not one of longest-first, only-first, only-second"
                    )));
                }
            },
            direction: side(self.left),
        })
    }
    pub fn write(from: &Truncation) -> Self {
        Self {
            max_length: from.max_length.min(u32::MAX as usize) as u32,
            stride: from.stride.min(u32::MAX as usize) as u32,
            strategy: match from.strategy {
                Strategy::LongestFirst => "longest-first",
                Strategy::OnlyFirst => "only-first",
                Strategy::OnlySecond => "only-second",
            }
            .to_owned(),
            left: from.direction == Direction::Left,
        }
    }
}

impl NativePadding {
    fn read(&self) -> Padding {
        Padding {
            length: self.length.map(|n| n as usize),
            direction: side(self.left),
            multiple_of: self.multiple_of.map(|n| n as usize),
            id: self.id,
            type_id: self.type_id,
            token: self.token.clone(),
        }
    }
    pub fn write(from: &Padding) -> Self {
        Self {
            length: from.length.map(|n| n as u32),
            multiple_of: from.multiple_of.map(|n| n as u32),
            id: from.id,
            type_id: from.type_id,
            token: from.token.clone(),
            left: from.direction == Direction::Left,
        }
    }
}

/// The options as plain data, so that they can go to another thread.
pub struct Read {
    add_special_tokens: bool,
    special_as_text: bool,
    offsets: Unit,
    truncation: Option<Truncation>,
    pub padding: Option<Padding>,
    seed: u64,
}

impl Read {
    pub fn new(options: &NativeEncodeOptions) -> crate::error::Result<Self> {
        Ok(Self {
            add_special_tokens: options.add_special_tokens,
            special_as_text: options.special_as_text,
            offsets: match options.offsets.as_str() {
                "bytes" => Unit::Bytes,
                "code-points" => Unit::CodePoints,
                "utf16" => Unit::Utf16,
                other => {
                    let message = format!("offsets {other:?} is not one of utf16, code-points, bytes");
                    return Err(Error::config(message));
                }
            },
            truncation: options.truncation.as_ref().map(NativeTruncation::read).transpose()?,
            padding: options.padding.as_ref().map(NativePadding::read),
            seed: options.seed as u64,
        })
    }
    pub fn get(&self) -> EncodeOptions<'_> {
        EncodeOptions {
            add_special_tokens: self.add_special_tokens,
            special_as_text: self.special_as_text,
            offsets: self.offsets,
            truncation: self.truncation.as_ref(),
            seed: self.seed,
        }
    }
}
