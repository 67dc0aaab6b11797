//! Text for one line.

pub fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The beginning of a text that is longer than so many characters, with a sign that there is more.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// The text on one line, shortened to what a terminal shows.
pub fn line(text: &str) -> String {
    const SHOWN: usize = 60;
    cut(&on_one_line(text), SHOWN)
}
