//! What a runtime could not do, in the words of whoever refused.

use super::{docker::engine::plain, exec::CommandFailed};

/// What a runtime could not do.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Neither runtime can serve, or not the one asked for.
    #[error("{what}\n  hint: {hint}")]
    Unavailable {
        /// What is missing.
        what: String,
        /// How to get it.
        hint: String,
    },
    /// The engine refused or went away.
    #[error("cannot {doing}: {cause}")]
    Engine {
        /// What was tried.
        doing: String,
        /// Its answer.
        cause: String,
    },
    /// The operating system refused.
    #[error("cannot {doing}: {cause}")]
    Io {
        /// What was tried.
        doing: String,
        /// Its answer.
        cause: std::io::Error,
    },
    /// A command in a node failed.
    #[error(transparent)]
    Command(#[from] CommandFailed),
    /// The runtime cannot do this at all.
    #[error("the `{runtime}` runtime cannot {what}")]
    Unsupported {
        /// `docker` or `local`.
        runtime: &'static str,
        /// What was asked for.
        what: &'static str,
    },
}

impl RuntimeError {
    /// What the operating system refused; for `map_err`.
    pub(crate) fn io(doing: impl Into<String>) -> impl Fn(std::io::Error) -> Self {
        let doing = doing.into();
        move |cause| Self::Io {
            doing: doing.clone(),
            cause,
        }
    }

    /// What the engine refused; for `map_err`.
    pub(super) fn engine(doing: impl Into<String>) -> impl Fn(bollard::errors::Error) -> Self {
        let doing = doing.into();
        move |error| Self::Engine {
            doing: doing.clone(),
            cause: plain(&error),
        }
    }

    /// What is missing without the hint, for where several are named.
    pub(super) fn in_short(&self) -> String {
        match self {
            Self::Unavailable { what, .. } => what.clone(),
            Self::Engine { .. } | Self::Io { .. } | Self::Command(_) | Self::Unsupported { .. } => {
                self.to_string()
            }
        }
    }
}
