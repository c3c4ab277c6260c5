/*
 * channel_log.h - every process to logger, one way.
 */
#ifndef PETREL_COMMON_CHANNEL_LOG_H
#define PETREL_COMMON_CHANNEL_LOG_H

enum log_message_type {
	LOG_LINE = 1 /* u8 enum log_level, u64 wall time in microseconds, slice the rendered event */
};

#endif
