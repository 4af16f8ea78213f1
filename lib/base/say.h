#ifndef HG_SAY_H
#define HG_SAY_H

/**
 * One line to stderr: `tool: message`, lower case, object quoted, no full
 * stop.  Whoever first knows a failure says it once.  Bytes that are no
 * well-formed UTF-8, and characters that can't be seen (utf8_hidden), are shown
 * as \xNN, so that no name or file content reaches the terminal as a control
 * sequence.  Standard output is out.h's.
 */

/* Name the tool; ${tool} must stay valid. */
void say_init(const char *tool);

void say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As say_error, followed by `: say_why(errno)`; errno is left as it was. */
void say_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What an errno means and, where something stands in a file's place, what to do; valid until the next call. */
const char *say_why(int error);

/* Something worth knowing that is no failure. */
void say_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * say_progress(format, ...):
 * A line that overwrites itself, cut to the terminal, shown only if stderr is
 * one, at most ten times a second.  Several processes may share the terminal:
 * who works for a run begins with its name, and a terminal shows the progress
 * of one process until that ends it; lines of others stand above it.
 * say_progress_end clears the line.  Checked: t/interrupted.bats.
 */
void say_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_progress_end(void);

/* Print nothing of errors and notes from here on, and only keep the last error; or print again: for trying things. */
void say_hush(int hushed);

/**
 * say_last():
 * The text of the last say_error or say_errno of this process, without the
 * tool's name; "" if none.  A worker hands it to its owner as a refusal's detail.
 */
const char *say_last(void);

/**
 * say_clean(out, size, text):
 * Copy ${text} into ${out} (at most ${size} bytes with the NUL), made safe for
 * a terminal as above.  Returns ${out}.
 */
char *say_clean(char *out, unsigned long size, const char *text);

#define SAY_CHARACTER 20

/**
 * say_character(text, out):
 * How the first character of ${text}, which is not empty, is shown: as itself
 * if it can be seen, else its bytes as \xNN.  Returns how many bytes it has.
 */
unsigned long say_character(const char *text, char out[SAY_CHARACTER]);

#endif
