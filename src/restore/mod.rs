//! Bringing a system back: a new server from a backup and the WAL archive, and rows
//! from a scratch server.
//!
//! `target` says up to where and from which backup, `base` performs it with `replay`, which is
//! watched by `stall` and looks at its end with `follows`; `salvage` brings lost rows home.
//! Whether what came back is right is judged in `check/`.

pub mod base;
mod fetch;
mod follows;
mod replay;
pub mod salvage;
mod stall;
pub mod target;
