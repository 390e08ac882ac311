//! Actions on the configuration and on visor itself: reread, update, scale, add, remove, avail, config, reload, shutdown, poweroff, reboot,
//! halt, version, reopen.

use super::action::Action;
use super::words;
use super::{Answer, Session, names};
use crate::cli::ExitCode;
use crate::order;
use crate::protocol::{Code, Ending, Line, Request};

impl Session {
    /// `reread`
    pub(super) fn reread(&mut self) -> Answer {
        let mut changes = Vec::new();
        self.ask(&Request::Reread, &mut |_, line| changes.extend(words::change(&line)))?;
        order::sort(&mut changes);
        if changes.is_empty() {
            self.screen.line("No config updates to processes");
        }
        changes.iter().for_each(|(_, text)| self.screen.line(text));
        Ok(ExitCode::Success)
    }

    /// `update [GROUP…]`, `add GROUP…`, `remove GROUP…`
    pub(super) fn groups(&mut self, action: Action, arguments: &[&str]) -> Answer {
        if let (Action::Update, true, Some((&"--dry-run", groups))) = (action, self.is_own(), arguments.split_first()) {
            return self.preview(groups);
        }
        let groups = names(arguments.iter().copied());
        let request = match action {
            Action::Add | Action::Remove if groups.is_empty() => return Ok(ExitCode::Success),
            Action::Add => Request::Add(groups),
            Action::Remove => Request::Remove(groups),
            _ if arguments.contains(&"all") => Request::Update(Vec::new()),
            _ => Request::Update(groups),
        };
        self.each_result(&request, &|line| words::group_result(action, line))
    }

    /// `update --dry-run [GROUP…]`
    fn preview(&mut self, groups: &[&str]) -> Answer {
        let groups = if groups.contains(&"all") { Vec::new() } else { names(groups.iter().copied()) };
        let mut lines = Vec::new();
        let mut exit = ExitCode::Success;
        let end = self.ask_whole(&Request::Preview(groups), &mut |screen, line| match words::failure(&line) {
            Some(_) => {
                let said = words::group_result(Action::Update, &line);
                exit = said.code.unwrap_or(exit);
                screen.line(&said.text);
            }
            None => lines.push(line),
        })?;
        if let Err((code, text)) = end
            && exit == ExitCode::Success
        {
            return Err(self.end_failure(code, &text));
        }
        if lines.is_empty() && exit == ExitCode::Success {
            self.screen.line("No config updates to processes");
        }
        words::preview(&lines).iter().for_each(|line| self.screen.line(line));
        Ok(exit)
    }

    /// `scale PROGRAM=NUMBER…`
    pub(super) fn scale(&mut self, arguments: &[&str]) -> Answer {
        let split = |word: &&str| {
            let (program, count) = word.split_once('=')?;
            let count = count.parse().ok().filter(|_| count.bytes().all(|byte| byte.is_ascii_digit()))?;
            Some(Request::Scale { program: program.to_owned(), count }).filter(|_| !program.is_empty())
        };
        let requests: Option<Vec<Request>> = arguments.iter().map(split).collect();
        let Some(requests) = requests.filter(|requests| !requests.is_empty()) else {
            return self.misuse(
                Action::Scale,
                "Error: scale requires a program and a number, as web=5",
                ExitCode::Failure,
            );
        };
        let mut exit = ExitCode::Success;
        for request in requests {
            let code = match self.each_result(&request, &|line| words::scaled(line)) {
                Ok(code) | Err(code) => code,
            };
            exit = if code == ExitCode::Success { exit } else { code };
        }
        Ok(exit)
    }

    /// `avail`
    pub(super) fn avail(&mut self) -> Answer {
        let mut lines: Vec<Line> = Vec::new();
        self.ask(&Request::Config, &mut |_, line| lines.push(line))?;
        let name = |line: &Line| line.get("process").or(line.get("name")).unwrap_or_default().to_owned();
        order::sort_by(&mut lines, |one, other| name(one).cmp(&name(other)));
        lines.iter().for_each(|line| self.screen.line(&words::available(line)));
        Ok(ExitCode::Success)
    }

    /// `config NAME`: as it would stand in the file, behind each option where it comes from.
    pub(super) fn config(&mut self, arguments: &[&str]) -> Answer {
        let [name] = arguments else {
            return self.misuse(Action::Config, "Error: config requires one process name", ExitCode::Failure);
        };
        let mut before: Option<String> = None;
        let end = self.ask_whole(&Request::Settings((*name).to_owned()), &mut |screen, line| {
            let name = line.get("name").map(str::to_owned);
            if name != before {
                let blank = if before.is_some() { "\n" } else { "" };
                screen.line(&format!("{blank}{}", words::setting_head(&line)));
                before = name;
            }
            screen.line(&words::setting(&line));
        })?;
        match end {
            Ok(_) => Ok(ExitCode::Success),
            Err((Code::BadName, _)) => {
                self.screen.line(&format!("{name}: ERROR (no such process)"));
                Ok(ExitCode::Failure)
            }
            Err((code, text)) => Ok(self.end_failure(code, &text)),
        }
    }

    /// `reload`
    pub(super) fn reload(&mut self) -> Answer {
        if !self.confirms("Really restart the remote supervisord process y/N? ") {
            return Ok(ExitCode::Success);
        }
        let shows_groups = self.is_own();
        let mut code = ExitCode::Success;
        self.ask(&Request::Reload, &mut |screen, line| {
            let said = words::group_result(Action::Reload, &line);
            code = said.code.unwrap_or(code);
            if shows_groups || said.code.is_some() {
                screen.line(&said.text);
                screen.flush();
            }
        })?;
        if code == ExitCode::Success {
            self.screen.line("Restarted supervisord");
        }
        Ok(code)
    }

    /// `shutdown`
    pub(super) fn shutdown(&mut self) -> Answer {
        if !self.confirms("Really shut the remote supervisord process down y/N? ") {
            return Ok(ExitCode::Success);
        }
        self.ask(&Request::Shutdown, &mut |_, _| {})?;
        self.screen.line("Shut down");
        Ok(ExitCode::Success)
    }

    /// `poweroff`, `reboot`, `halt`
    pub(super) fn end(&mut self, ending: Ending) -> Answer {
        let (question, told) = match ending {
            Ending::Poweroff => ("Really power the machine off y/N? ", "Powering off"),
            Ending::Reboot => ("Really reboot the machine y/N? ", "Rebooting"),
            Ending::Halt => ("Really halt the machine y/N? ", "Halting"),
        };
        if !self.confirms(question) {
            return Ok(ExitCode::Success);
        }
        self.ask(&Request::End(ending), &mut |_, _| {})?;
        self.screen.line(told);
        Ok(ExitCode::Success)
    }

    /// `version`
    pub(super) fn version(&mut self) -> Answer {
        self.ask(&Request::Hello, &mut |screen, line| {
            if let Some(version) = line.get("version") {
                screen.line(version);
            }
        })?;
        Ok(ExitCode::Success)
    }

    /// `reopen`
    pub(super) fn reopen(&mut self) -> Answer {
        self.ask(&Request::Reopen, &mut |_, _| {})?;
        self.screen.line("Reopened logs");
        Ok(ExitCode::Success)
    }
}
