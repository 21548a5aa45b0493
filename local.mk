# The stack on this machine. Every target builds the environment first, if that is needed.
# Ports: GROUNDLINE_EDGE_PORT, GROUNDLINE_PORT_BASE; state: GROUNDLINE_HOME. See `groundline up --help`.

.PHONY: up
up: $(ENV)  ## Start everything and return when all is healthy (ROAD=amqp: through RabbitMQ)
	@groundline up $(if $(ROAD),--road $(ROAD))

.PHONY: run
run: $(ENV)  ## The same in the foreground; Ctrl-C stops it
	@exec groundline run $(if $(ROAD),--road $(ROAD))

.PHONY: down
down: $(ENV)  ## Stop everything; data is kept
	@groundline down

.PHONY: status
status: $(ENV)  ## Every process, its health and its ports
	@groundline status

.PHONY: logs
logs: $(ENV)  ## What the processes say (make logs NAME=gateway); Ctrl-C ends the reading
	@exec groundline logs $(NAME) --follow

.PHONY: demo
demo: $(ENV)  ## A scripted conversation against the running stack
	@groundline demo

.PHONY: backup
backup: $(ENV)  ## Back up the running stack, rehearsed (KEEP=7, where: GROUNDLINE_BACKUPS)
	@groundline backup $(if $(KEEP),--keep $(KEEP))

.PHONY: restore
restore: $(ENV)  ## Bring the data back to a moment, keeping today's aside (TO="2026-11-25 12:00:00Z", INTO=dir)
	@groundline restore --to "$(or $(TO),latest)" $(if $(INTO),--into "$(INTO)")

.PHONY: bench
bench: $(ENV)  ## Measure, side by side in one run
	@python -m bench

# Sets: EVAL_SETS (../shared/data/evals); see `python -m evals --help`.
.PHONY: eval
eval: $(ENV)  ## Measure quality on every set at hand; report in build/evals
	@python -m evals $(if $(EVAL_SETS),--sets $(EVAL_SETS)) $(EVAL_ARGS)

.PHONY: faults
faults: $(ENV)  ## Kill everything everywhere under load; writes docs/reliability.md (ROUNDS=6 SEED=1)
	@python -m tests.faults --rounds $(or $(ROUNDS),6) --seed $(or $(SEED),1)
