"""The last import of a fork server, which has held back Ctrl-C up to here: it takes it up again for its copies.

Ctrl-C would end the server in a traceback, and jobs that wait to be copies of it would be begun without it.
"""

import signal

WAS_INTERRUPTED = signal.SIGINT in signal.sigpending()

_answer = signal.signal(signal.SIGINT, signal.SIG_IGN)  # forgets the one that is held back
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
signal.signal(signal.SIGINT, _answer)
