//! What a runtime could not do, in the words of whoever refused.

use super::{docker::engine::plain, exec::CommandFailed};

#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Neither runtime can serve, or not the one asked for.
    #[error("{what}\n  hint: {hint}")]
    Unavailable { what: String, hint: String },
    #[error("cannot {doing}: {cause}")]
    Engine { doing: String, cause: String },
    #[error("cannot {doing}: {cause}")]
    Io {
        doing: String,
        cause: std::io::Error,
    },
    #[error(transparent)]
    Command(#[from] CommandFailed),
    #[error("the `{runtime}` runtime cannot {what}")]
    Unsupported {
        /// `docker` or `local`.
        runtime: &'static str,
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
