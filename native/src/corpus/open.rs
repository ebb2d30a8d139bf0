//! A path in, its text out as a stream of bytes, gz and zst unpacked by their extension; the SHA-256 of the file as it lies on disk at the end.

use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// What a file on disk is: its size in bytes and its SHA-256 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fingerprint {
    pub bytes: u64,
    pub sha256: String,
}

/// Where bytes come from: a file, a pipe.
pub type Bytes = Box<dyn Read + Send>;

/// Passes bytes through and hashes them.
struct Hashing {
    file: Bytes,
    hash: Option<Sha256>,
    bytes: u64,
}

impl Hashing {
    fn new(file: Bytes) -> Self {
        Self { file, hash: Some(Sha256::new()), bytes: 0 }
    }

    fn finish(self) -> Fingerprint {
        Fingerprint { bytes: self.bytes, sha256: self.hash.map_or_else(String::new, |hash| hex(&hash.finalize())) }
    }
}

impl Read for Hashing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(out)?;
        if let Some(hash) = &mut self.hash {
            hash.update(&out[..n]);
        }
        self.bytes += n as u64;
        Ok(n)
    }
}

enum Stream {
    Plain(Hashing),
    Gzip(Box<MultiGzDecoder<BufReader<Hashing>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Hashing>>>),
}

/// An open input file.
pub struct Input {
    path: String,
    stream: Stream,
}

impl Input {
    pub fn open(path: &str) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        Self::of(path, Hashing::new(Box::new(file)))
    }

    /// What comes through `pipe` in place of the file at `path`; it isn't hashed.
    pub fn piped(path: &str, pipe: Bytes) -> Result<Self> {
        Self::of(path, Hashing { file: pipe, hash: None, bytes: 0 })
    }

    /// Text of a file that was unpacked on its way, whatever its name.
    pub fn unpacked(path: &str, pipe: Bytes) -> Self {
        Self { path: path.to_owned(), stream: Stream::Plain(Hashing { file: pipe, hash: None, bytes: 0 }) }
    }

    fn of(path: &str, raw: Hashing) -> Result<Self> {
        let stream = if path.ends_with(".gz") {
            Stream::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 18, raw))))
        } else if path.ends_with(".zst") {
            let decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(1 << 18, raw));
            Stream::Zstd(Box::new(decoder.map_err(|error| Error::io(path, error))?))
        } else {
            Stream::Plain(raw)
        };
        Ok(Self { path: path.to_owned(), stream })
    }

    /// Bytes read of the file as it lies on disk.
    pub fn position(&self) -> u64 {
        match &self.stream {
            Stream::Plain(raw) => raw.bytes,
            Stream::Gzip(decoder) => decoder.get_ref().get_ref().bytes,
            Stream::Zstd(decoder) => decoder.get_ref().get_ref().bytes,
        }
    }

    /// Appends up to `limit` bytes to `out`; fewer only at the end of the file.
    pub fn append(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<usize> {
        let reader: &mut dyn Read = match &mut self.stream {
            Stream::Plain(raw) => raw,
            Stream::Gzip(decoder) => decoder,
            Stream::Zstd(decoder) => decoder,
        };
        out.reserve(limit);
        reader.take(limit as u64).read_to_end(out).map_err(|error| {
            let broken = matches!(
                error.kind(),
                io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::Other
            );
            match self.stream {
                Stream::Plain(_) => Error::io(&self.path, error),
                _ if broken => Error::input(format!("{}: can't be unpacked: {error}", self.path)),
                _ => Error::io(&self.path, error),
            }
        })
    }

    /// Reads what is left of the file on disk and says what it was.
    pub fn finish(self) -> Result<Fingerprint> {
        let mut raw = match self.stream {
            Stream::Plain(raw) => raw,
            Stream::Gzip(decoder) => decoder.into_inner().into_inner(),
            Stream::Zstd(decoder) => decoder.finish().into_inner(),
        };
        io::copy(&mut raw, &mut io::sink()).map_err(|error| Error::io(&self.path, error))?;
        Ok(raw.finish())
    }
}

/// The fingerprint of a file, read once in pieces.
pub fn fingerprint(path: &str) -> Result<Fingerprint> {
    let mut raw = Hashing::new(Box::new(File::open(path).map_err(|error| Error::io(path, error))?));
    io::copy(&mut raw, &mut io::sink()).map_err(|error| Error::io(path, error))?;
    Ok(raw.finish())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
