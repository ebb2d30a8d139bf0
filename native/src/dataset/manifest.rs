//! What a dataset folder holds, as JSON: the plan, the hashes of inputs and shards, the figures. Equal builds write equal manifests.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::task::Counts;
use crate::arrow::read::Mapped;
use crate::corpus::open::Fingerprint;
use crate::error::{Error, Result};
use crate::progress::Progress;

pub const NAME: &str = "manifest.json";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub format: String,
    /// Version of the program that wrote it.
    pub code: String,
    pub plan: Plan,
    pub plan_sha256: String,
    pub inputs: Vec<InputFile>,
    pub splits: Vec<Split>,
    pub statistics: Statistics,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    pub path: String,
    #[serde(flatten)]
    pub print: Fingerprint,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    pub name: String,
    pub documents: u64,
    #[serde(flatten)]
    pub counts: Counts,
    pub shards: Vec<Shard>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    pub file: String,
    pub rows: u64,
    #[serde(flatten)]
    pub print: Fingerprint,
    /// The same rows as Parquet, where that was asked for: `file` with the extension `.parquet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parquet: Option<Fingerprint>,
}

impl Shard {
    /// The files and what they must be: the Arrow file first.
    pub fn files(&self) -> impl Iterator<Item = (String, &Fingerprint)> {
        let parquet = self.parquet.as_ref().map(|print| (self.file.replace(".arrow", ".parquet"), print));
        std::iter::once((self.file.clone(), &self.print)).chain(parquet)
    }

    /// The same shard under another name, its extension left out.
    pub fn named(&self, name: &str) -> Self {
        Self { file: format!("{name}.arrow"), ..self.clone() }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    pub documents: u64,
    pub text_bytes: u64,
    /// Tokens encoded, those of begin and end included.
    pub tokens: u64,
    pub rejected: u64,
    /// Left out by the filters, and as copies of others.
    pub filtered: u64,
    pub copies: u64,
}

impl Manifest {
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(NAME);
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::input(format!("{}: there is no dataset here (no {NAME})", dir.display()))
                    .with_hint("make one with `millrace dataset build`")
            }
            _ => Error::io(&path, error),
        })?;
        serde_json::from_slice(&bytes).map_err(|error| Error::corrupt(format!("{}: {error}", path.display())))
    }

    pub fn split(&self, name: &str) -> Result<&Split> {
        self.splits.iter().find(|split| split.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.splits.iter().map(|split| split.name.as_str()).collect();
            Error::config(format!("the dataset has no split \"{name}\""))
                .with_hint(format!("it has {}", names.join(", ")))
        })
    }

    /// Reads every file and compares its hash. Progress counts bytes.
    pub fn verify(&self, dir: &Path, progress: &Progress) -> Result<()> {
        let files = || self.splits.iter().flat_map(|split| &split.shards).flat_map(Shard::files);
        progress.start(files().map(|(_, print)| print.bytes).sum());
        if self.plan.hash()? != self.plan_sha256 {
            return Err(Error::corrupt(format!("{}: the plan was changed", dir.join(NAME).display())));
        }
        for (file, print) in files() {
            progress.check()?;
            Mapped::open(&dir.join(file))?.verify(print.bytes, &print.sha256)?;
            progress.add(print.bytes);
        }
        Ok(())
    }
}
