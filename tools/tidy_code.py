# SPDX-License-Identifier: Apache-2.0
"""Checks of C and C++: functions we do not call, and the names that our public headers declare."""

import re

import checkout
from tidy_text import Finding

# Never called, in tests neither. Each with what to call instead.
BANNED_EVERYWHERE = {
    "alloca": "an array of fixed size, or weir_internal_allocate",
    "atof": "strtod, and look at its end pointer",
    "atoi": "strtol, and look at its end pointer",
    "atol": "strtol, and look at its end pointer",
    "gethostbyaddr": "weir_address_format; nothing asks who an address is",
    "gethostbyname": "weir_resolve",
    "getnameinfo": "weir_address_format; nothing asks who an address is",
    "gets": "fgets",
    "rand": "getrandom, or a generator with a printed seed",
    "signal": "sigaction",
    "sleep": "weir_delay, or a wait for the event itself",
    "sprintf": "snprintf",
    "srand": "getrandom, or a generator with a printed seed",
    "strcat": "snprintf, or memcpy with a known size",
    "strcpy": "memcpy with a known size",
    "strncpy": "memcpy with a known size",
    "strtok": "memchr or strtok_r",
    "usleep": "weir_delay, or a wait for the event itself",
    "vsprintf": "vsnprintf",
}

ALLOCATOR_FILE = "base/memory.c"
ALLOCATOR_ONLY = {
    name: f"the allocator table ({ALLOCATOR_FILE} holds the real calls)"
    for name in (
        "aligned_alloc", "calloc", "free", "madvise", "malloc", "mmap", "mprotect", "munmap",
        "posix_memalign", "realloc", "reallocarray", "strdup", "strndup",
    )
}

SYSTEM_CALL_FILE = "selector/system_calls.c"
SYSTEM_CALLS_ONLY = {
    name: f"the selector's system-call table ({SYSTEM_CALL_FILE} holds the real calls)"
    for name in (
        "accept", "accept4", "bind", "clock_gettime", "clock_nanosleep", "close", "connect",
        "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd",
        "fcntl", "freeaddrinfo", "getaddrinfo", "getpeername", "getsockname", "getsockopt", "ioctl",
        "listen", "nanosleep", "open", "openat", "pipe", "pipe2", "poll", "ppoll", "read", "readv",
        "recv", "recvfrom", "recvmmsg", "recvmsg", "select", "send", "sendfile", "sendmmsg",
        "sendmsg", "sendto", "setsockopt", "shutdown", "sigaction", "signalfd", "socket",
        "socketpair", "splice", "syscall", "timerfd_create", "timerfd_settime", "write", "writev",
    )
}

# A real call in the product that the table cannot hold says why in a comment with these words.
EXEMPTION = "not in the table:"

PRINTING = {
    name: "nothing: the library never prints, aborts or exits; return an error"
    for name in ("abort", "exit", "fprintf", "perror", "printf", "putchar", "puts", "_exit")
}

CALL = re.compile(r"(?<![\w.>])(?:::)?([A-Za-z_]\w*)\s*\(")
LITERAL = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
DECLARATION_WORD = re.compile(r"(?:[\w*]+[ *]+)+$")


def check(path, text):
    """The findings in one file."""
    if not path.endswith((".c", ".cc", ".h")):
        return []
    findings = _check_calls(path, text)
    if checkout.is_public_header(path):
        findings += _check_public_names(path, text)
    return findings


def blank_literals(text):
    """The text with comments and literals blanked out; line breaks stay where they are."""
    def blank(match):
        kept = '""' if match.group()[0] in "\"'" else " "
        return kept + "\n" * match.group().count("\n")
    return LITERAL.sub(blank, text)


def _banned_in(path):
    banned = dict(BANNED_EVERYWHERE)
    if checkout.is_product_source(path):
        banned.update(PRINTING)
        if path != ALLOCATOR_FILE:
            banned.update(ALLOCATOR_ONLY)
        if path != SYSTEM_CALL_FILE:
            banned.update(SYSTEM_CALLS_ONLY)
    return banned


def _check_calls(path, text):
    banned = _banned_in(path)
    findings = []
    original = text.split("\n")
    for number, line in enumerate(blank_literals(text).split("\n"), 1):
        context = "\n".join(original[max(0, number - 2):number])
        for match in CALL.finditer(line):
            name = match.group(1)
            if name not in banned or _declares(line[:match.start()]):
                continue
            if EXEMPTION not in context:
                findings.append(Finding(path, number, f"{name}() is banned; use {banned[name]}"))
    return findings


def _declares(before):
    """Whether the words before a name and its bracket make it a declaration: `int read(`."""
    words = re.findall(r"\w+", before)
    return (bool(re.fullmatch(r"\s*(?:[A-Za-z_]\w*[\s*]+)+", before))
            and words[-1] not in ("return", "else", "do", "case", "goto"))


def _check_public_names(path, text):
    findings = []
    for number, name in public_names(text):
        if not name.startswith(("weir_", "WEIR_")):
            message = f"'{name}' in a public header: names begin with weir_ or WEIR_"
            findings.append(Finding(path, number, message))
    return findings


def public_names(text):
    """The names that a header declares at its top level, with their lines.

    Finds macros, tags, constants of enums, types and functions, in C as we write it.
    """
    code = blank_literals(text)
    names = []
    for number, line in enumerate(code.split("\n"), 1):
        match = re.match(r"\s*#\s*define\s+(\w+)", line)
        if match:
            names.append((number, match.group(1)))
    # Directives, with their continued lines, are not part of the declarations.
    directive = re.compile(r"^[ ]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
    code = directive.sub(lambda match: "\n" * match.group().count("\n"), code)
    code = re.sub(r'extern\s*""\s*\{', lambda match: "\n" * match.group().count("\n"), code)
    for number, declaration in _top_level(code):
        names += [(number, name) for name in _declared(declaration)]
    return names


def _top_level(code):
    """The declarations outside all braces, with their braces' content, each with its line."""
    depth, start = 0, 0
    for position, character in enumerate(code):
        if character == "{":
            depth += 1
        elif character == "}":
            depth = max(0, depth - 1)
            function_ends = depth == 0 and re.search(r"\)\s*\{", code[start:position])
            if not function_ends or code[start:position].lstrip().startswith(("typedef", "enum")):
                continue
        elif character != ";" or depth > 0:
            continue
        if depth == 0:
            declaration = code[start:position]
            leading = len(declaration) - len(declaration.lstrip(" \n}"))
            yield code.count("\n", 0, start + leading) + 1, declaration.strip(" \n}")
            start = position + 1


def _declared(declaration):
    """The names that one top-level declaration declares."""
    names = []
    head, brace, rest = declaration.partition("{")
    body, _, tail = rest.rpartition("}") if "}" in rest else (rest, "", "")
    tag = re.match(r"(?:typedef\s+)?(struct|union|enum)\s+(\w+)\s*$", head.strip())
    if tag:
        names.append(tag.group(2))
    if re.match(r"(?:typedef\s+)?enum\b", head) and brace:
        constants = [part.split("=")[0].strip() for part in body.split(",")]
        names += [name for name in constants if name]
    if head.startswith("typedef"):
        last = re.search(r"\(\s*\*\s*(\w+)\s*\)|(\w+)\s*(?:\[[^\]]*\])?\s*$", tail or head)
        names += [name for name in (last.groups() if last else ()) if name]
    elif not tag:
        for match in re.finditer(r"(\w+)\s*\(", head):
            if not re.match(r"__\w+__$|WEIR_|_Static_assert|static_assert", match.group(1)):
                names.append(match.group(1))
                break
    return names
