//! The one error of the crate: a kind that callers can act on, a message that names the file, line or key,
//! and the remedy where there is one.

use std::fmt;

/// What went wrong, as far as a caller can act on it. The names are the `code` of `MillraceError` in TypeScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An option or its value makes no sense.
    Config,
    /// A file or text given by the user can't be used as it is.
    Input,
    /// A file of ours is damaged or was changed: a hash, a length or a header is wrong.
    Corrupt,
    /// The machine lacks something (a library, a device, disk space).
    Environment,
    /// The caller asked to stop.
    Cancelled,
    /// The operating system refused to read or write.
    Io,
    /// Anything else, a defect of ours included.
    Internal,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Config => "config",
            Kind::Input => "input",
            Kind::Corrupt => "corrupt",
            Kind::Environment => "environment",
            Kind::Cancelled => "cancelled",
            Kind::Io => "io",
            Kind::Internal => "internal",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    pub hint: Option<String>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Kind::Corrupt, message)
    }
    pub fn environment(message: impl Into<String>) -> Self {
        Self::new(Kind::Environment, message)
    }
    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "cancelled")
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }
    /// An I/O error together with the path it happened on.
    pub fn io(path: impl AsRef<std::path::Path>, error: std::io::Error) -> Self {
        Self::new(Kind::Io, format!("{}: {error}", path.as_ref().display()))
    }
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{} ({hint})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}
