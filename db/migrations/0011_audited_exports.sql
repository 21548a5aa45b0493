-- Turns can be exported for offline evaluation: the orchestrator, which reads them, writes down who took them.

GRANT INSERT ON messaging.audit TO groundline_orchestrator;
