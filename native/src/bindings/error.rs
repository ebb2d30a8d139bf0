//! Our error as a JavaScript exception: the kind becomes `code`, the hint travels behind a unit separator
//! and is taken apart again by src/native.ts.

use crate::error::Error;

/// The `code` of the exception that Node sees.
pub struct Code(pub &'static str);

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.0
    }
}

pub type Result<T> = std::result::Result<T, napi::Error<Code>>;

impl From<Error> for napi::Error<Code> {
    fn from(error: Error) -> Self {
        let reason = match &error.hint {
            Some(hint) => format!("{}\u{1f}{hint}", error.message),
            None => error.message.clone(),
        };
        napi::Error::new(Code(error.kind.as_str()), reason)
    }
}
