// Names one operation of a caller.
#ifndef PROVHUB_MAINNODE_API_OPERATION_ID_H_
#define PROVHUB_MAINNODE_API_OPERATION_ID_H_

#include <string>

namespace provhub::api {

// 16 random digits of lower-case hexadecimal, for logs: not a secret and no proof of anything.
std::string NewOperationId();

}  // namespace provhub::api

#endif  // PROVHUB_MAINNODE_API_OPERATION_ID_H_
