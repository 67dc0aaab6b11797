//! Problems of a scenario: where, what, what was expected, and a hint.
//!
//! How they look to people is decided here; what is a problem is not.

use std::{fmt, sync::Arc};

use super::yaml::Position;

/// A file that was read: problems show its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path as given.
    pub path: String,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The scenario can't be performed.
    Error,
    /// It can, but not what was meant.
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// The file; none when the problem is in the command line.
    pub source: Option<Arc<Source>>,
    pub place: Position,
    pub message: String,
    /// What was expected; empty: nothing to say.
    pub expected: String,
    /// What to do about it; empty: nothing to say.
    pub help: String,
}

/// All that is wrong; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    /// A problem at a place, still without a file.
    pub fn at(place: Position, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            source: None,
            place,
            message: message.into(),
            expected: String::new(),
            help: String::new(),
        }
    }

    /// A problem that has no place: of the command line.
    pub fn nowhere(message: impl Into<String>) -> Self {
        Self::at(Position::default(), message)
    }

    /// A name of this kind that is none of the known ones.
    pub fn unknown<S: AsRef<str>>(
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::nowhere(format!("unknown {what} `{name}`")).known(name, known)
    }

    #[must_use]
    pub fn placed(self, place: Position) -> Self {
        Self { place, ..self }
    }

    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    #[must_use]
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = text.into();
        self
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = text.into();
        self
    }

    /// With the nearest of the known names as a hint, and all of them unless they are many.
    #[must_use]
    pub fn known<S: AsRef<str>>(self, name: &str, known: impl IntoIterator<Item = S>) -> Self {
        let known: Vec<S> = known.into_iter().collect();
        let mut names: Vec<&str> = Vec::new();
        for name in known.iter().map(AsRef::as_ref) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let hint = |near: &str| format!("did you mean `{near}`?");
        match nearest(name, &names) {
            Some(near) if names.len() > MANY => self.help(hint(near)),
            Some(near) => self.expected(one_of(&names)).help(hint(near)),
            None => self.expected(one_of(&names)),
        }
    }
}

/// More names than this are not shown beside one that is near.
const MANY: usize = 15;

/// The known name that is most like this one, if any is.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let like = |candidate: &str| strsim::jaro_winkler(name, candidate);
    let known = known.iter().copied();
    let best = known.max_by(|a, b| like(a).total_cmp(&like(b)))?;
    let edits = strsim::damerau_levenshtein(name, best);
    (edits <= 2.max(best.chars().count() / 3) && edits < best.chars().count()).then_some(best)
}

/// `one of a, b or c`, shortened when there are many.
pub fn one_of(names: &[&str]) -> String {
    const SHOWN: usize = 20;
    let quoted: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] if names.len() <= SHOWN => {
            format!("one of {} or {last}", first.join(", "))
        }
        many => format!("one of {}, …", many.join(", ")),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", cut(&self.message))?;
        let mut margin = 0;
        if let Some(source) = &self.source {
            margin = self.write_place(f, source)?;
        }
        if !self.expected.is_empty() {
            write!(f, "\n{:margin$} = expected {}", "", cut(&self.expected))?;
        }
        if !self.help.is_empty() {
            write!(f, "\nhelp: {}", cut(&self.help))?;
        }
        Ok(())
    }
}

impl Problem {
    /// The place, its line and a caret; returns the width of the line number.
    fn write_place(&self, f: &mut fmt::Formatter<'_>, of: &Source) -> Result<usize, fmt::Error> {
        let (line, column, length) = (self.place.line, self.place.column, self.place.length);
        if line == 0 {
            write!(f, "\n --> {}", of.path)?;
            return Ok(1);
        }
        let margin = line.to_string().len();
        let whole = of.text.lines().nth(line - 1).unwrap_or_default();
        let (shown, before) = excerpt(whole, column - 1);
        let rest = shown.chars().count().saturating_sub(before).max(1);
        // A tab stays a tab, so that the caret stands under its character.
        let blank = |c: char| if c == '\t' { '\t' } else { ' ' };
        let indent: String = shown.chars().take(before).map(blank).collect();
        let carets = "^".repeat(length.clamp(1, rest));
        write!(f, "\n{:margin$}--> {}:{line}:{column}", "", of.path)?;
        write!(f, "\n{:margin$} |\n{line} | {shown}", "")?;
        write!(f, "\n{:margin$} | {indent}{carets}", "")?;
        Ok(margin)
    }
}

/// A line, or a value in a message, is shown whole up to so many characters; of a longer one so
/// many, of a line those around the caret.
const SHOWN: usize = 160;
const AROUND: usize = 70;

/// What is shown of a line, and how many characters of that stand before the caret.
fn excerpt(line: &str, before: usize) -> (String, usize) {
    let count = line.chars().count();
    if count <= SHOWN {
        return (line.to_owned(), before);
    }
    let from = before.saturating_sub(AROUND / 2).min(count - AROUND);
    let part: String = line.chars().skip(from).take(AROUND).collect();
    let (left, right) = (from > 0, from + AROUND < count);
    let dots = |there| if there { "…" } else { "" };
    let shown = format!("{}{part}{}", dots(left), dots(right));
    (shown, before - from + usize::from(left))
}

/// A text with the values that it quotes cut: of each the first line, that as long as an excerpt.
fn cut(text: &str) -> String {
    let parts = text.split('`').map(|part| {
        let line = part.lines().next().unwrap_or_default();
        let (shown, _) = excerpt(line, 0);
        let more = part.trim_end().len() > line.len() && !shown.ends_with('…');
        shown + if more { "…" } else { "" }
    });
    parts.collect::<Vec<String>>().join("`")
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&all.join("\n\n"))
    }
}

impl std::error::Error for Problems {}

impl Problems {
    /// What was made; where it was not, what is wrong goes to the rest of that.
    pub fn noted<T>(made: Result<T, Self>, rest: &mut Vec<Problem>) -> Option<T> {
        made.map_err(|Self(problems)| rest.extend(problems)).ok()
    }

    /// This, unless something is wrong with it.
    pub fn unless<T>(problems: Vec<Problem>, good: T) -> Result<T, Self> {
        match problems.is_empty() {
            true => Ok(good),
            false => Err(Self(problems)),
        }
    }
}

impl<T: Into<String>> From<T> for Problem {
    fn from(message: T) -> Self {
        Self::nowhere(message)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_word() {
        let source = Source {
            path: "a.yaml".into(),
            text: "a: 1\n\tbé: x\n".into(),
        };
        let mut problem = Problem::at(
            Position {
                line: 2,
                column: 6,
                length: 9,
            },
            "bad",
        )
        .known("runn", ["run", "backup"]);
        problem.source = Some(Arc::new(source));
        let expected = "error: bad\n --> a.yaml:2:6\n  |\n2 | \tbé: x\n  | \t    ^\n  = expected one of `run` or `backup`\nhelp: did you mean `run`?";
        assert_eq!(problem.to_string(), expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let line = |before: usize, after: usize| "é".repeat(before) + "X" + &"n".repeat(after);
        for (before, after) in [(100_000, 0), (0, 100_000), (50_000, 50_000), (10, 200)] {
            let (shown, caret) = excerpt(&line(before, after), before);
            assert!(shown.chars().count() <= AROUND + 2, "{shown}");
            assert_eq!(shown.chars().nth(caret), Some('X'), "{shown}");
        }
        assert_eq!(excerpt(&line(9, 9), 9), (line(9, 9), 9));
    }

    #[test]
    fn of_a_long_value_the_beginning_is_quoted() {
        let quoted = |value: &str| cut(&format!("`{value}` is not a name, like `a`"));
        let long = format!("`{}…` is not a name, like `a`", "é".repeat(AROUND));
        assert_eq!(quoted(&"é".repeat(100_000)), long);
        assert_eq!(quoted("a b"), "`a b` is not a name, like `a`");
        assert_eq!(quoted("a\nb\n"), "`a…` is not a name, like `a`");
        assert_eq!(quoted("a\n"), "`a` is not a name, like `a`");
    }

    #[test]
    fn only_what_is_alike_is_proposed() {
        assert_eq!(nearest("clinets", &["clients", "rate"]), Some("clients"));
        assert_eq!(nearest("zebra", &["clients", "rate"]), None);
        assert_eq!(nearest("x", &["oa"]), None);
    }
}
