//! A run in Markdown: for the summary page of a CI job.
//!
//! A table of all drills, and of those that are not as expected what is wrong. Where it goes is the command
//! line's business.

use super::{DrillReport, RunSummary, brief};
use crate::{finding::Verdict, text::on_one_line};

/// The run, of GitHub's flavour, which GitLab and Gitea show alike.
pub fn render(run: &RunSummary) -> String {
    let mut text = format!(
        "## pgdrill: {}\n\n{}, run `{}`\n\n",
        brief::mark(run.outcome),
        brief::totals(run),
        run.run
    );
    text.push_str(
        "| drill | outcome | workload | RPO | RTO | outage |\n|---|---|---|---|---|---|\n",
    );
    text.extend(run.drills.iter().map(rows));
    for skipped in &run.skipped {
        text.push_str(&row([
            &code(&skipped.drill),
            "skipped",
            &plain(&skipped.why),
            "",
            "",
            "",
        ]));
    }
    let wrong = |drill: &&DrillReport| drill.judged.outcome != Verdict::Pass;
    text.extend(run.drills.iter().filter(wrong).map(what_is_wrong));
    text
}

/// A row a workload, one where there is none.
fn rows(drill: &DrillReport) -> String {
    let (name, mark) = (code(&drill.drill), brief::mark(drill.judged.outcome));
    let workload = |measures| {
        let [rpo, rto, outage] =
            brief::figures(drill, measures).map(|figure| plain(&figure.replace("<=", "≤")));
        row([
            &name,
            &mark,
            &plain(&measures.workload),
            &rpo,
            &rto,
            &outage,
        ])
    };
    match drill.measures.is_empty() {
        true => row([&name, &mark, "", "", "", ""]),
        false => drill.measures.iter().map(workload).collect(),
    }
}

fn row(cells: [&str; 6]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn what_is_wrong(drill: &DrillReport) -> String {
    let mut text = format!(
        "\n### {} {}\n\n",
        brief::mark(drill.judged.outcome),
        code(&drill.drill)
    );
    for finding in brief::told(drill) {
        let (word, id) = (finding.verdict.word(), code(&finding.id));
        text.push_str(&format!("- {word} {id}: {}\n", plain(&finding.message)));
    }
    if let Some(ids) = brief::in_consequence(drill) {
        text.push_str(&format!("- unknown in consequence: {}\n", plain(&ids)));
    }
    text.extend(brief::other_reasons(drill).map(|why| format!("- {}\n", plain(why))));
    text
}

/// A name, which holds no backquote that would end it.
fn code(name: &str) -> String {
    format!("`{}`", name.replace('`', "'").replace('|', "\\|"))
}

/// A text on one line, in which nothing is Markdown or HTML: both take punctuation by its number.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for character in on_one_line(text).chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '#' | '~' | '@' | '$' => {
                plain.push_str(&format!("&#{};", u32::from(character)));
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_message_is_markup() {
        assert_eq!(
            plain("a | b\n<b>*x*</b> [y](z) `q`"),
            "a &#124; b &#60;b&#62;&#42;x&#42;&#60;/b&#62; &#91;y&#93;(z) &#96;q&#96;"
        );
        assert_eq!(code("a`b|c"), "`a'b\\|c`");
    }
}
