//! Tests of the crate from outside, in one program: linking each file on its own takes a minute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dataset_build;
mod dataset_tasks;
mod readers;
mod stage;
