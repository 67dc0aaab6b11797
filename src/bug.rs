//! Bugs in pgdrill itself: a panic is caught where the harm ends, told once, and remembered.
//!
//! What it costs is decided where it is caught: a drill is then no evidence
//! (`drill::perform`), a drill whose judging panicked is unknown (`report::write`), and the
//! program ends with exit code 70 (`cli`).

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
    sync::{Mutex, PoisonError},
};

use futures_util::FutureExt;

static FIRST: Mutex<Option<String>> = Mutex::new(None);

thread_local! {
    /// The newest of this thread, with its place, which a caught panic does not carry.
    static NEWEST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on each panic is told by `say`, in one line, and remembered.
pub fn watch(say: fn(&str)) {
    std::panic::set_hook(Box::new(move |info| {
        let text = described(info);
        say(&format!("error: {text}"));
        NEWEST.with_borrow_mut(|newest| *newest = Some(text.clone()));
        let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(text);
    }));
}

/// The first bug since [`watch`], in one line; none: none was seen, on any thread.
pub fn first() -> Option<String> {
    let first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    first.clone()
}

/// Does something; a panic ends there.
///
/// # Errors
/// The bug, in one line.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| told(&*panic))
}

/// The same of what is awaited.
pub async fn caught_in<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    ended.map_err(|panic| told(&*panic))
}

fn told(panic: &(dyn Any + Send)) -> String {
    let newest = NEWEST.with_borrow_mut(Option::take);
    newest.unwrap_or_else(|| sentence(message(panic), ""))
}

fn described(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map(ToString::to_string);
    sentence(message(info.payload()), &place.unwrap_or_default())
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

fn sentence(message: &str, place: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    let at = if place.is_empty() { "" } else { " at " };
    format!("a bug in pgdrill{at}{place}: {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_where_it_is_caught_and_is_told_in_a_line() {
        let bug = caught(|| -> u32 { panic!("no\nsuch row") }).unwrap_err();
        assert!(bug.starts_with("a bug in pgdrill") && bug.ends_with(": no such row"));
        let later = async {
            tokio::task::yield_now().await;
            panic!("later")
        };
        let bug: Result<(), String> = caught_in(later).await;
        assert!(bug.unwrap_err().ends_with(": later"));
        assert_eq!(caught(|| 7), Ok(7));
    }
}
