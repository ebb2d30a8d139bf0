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

/// Passes bytes through and hashes them.
struct Hashing {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Read for Hashing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(out)?;
        self.hash.update(&out[..n]);
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
        let raw = Hashing { file, hash: Sha256::new(), bytes: 0 };
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
        Ok(Fingerprint { bytes: raw.bytes, sha256: hex(&raw.hash.finalize()) })
    }
}

/// The fingerprint of a file, read once in pieces.
pub fn fingerprint(path: &str) -> Result<Fingerprint> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    Input { path: path.to_owned(), stream: Stream::Plain(Hashing { file, hash: Sha256::new(), bytes: 0 }) }.finish()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
