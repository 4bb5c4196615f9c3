-- What people did to a row, with one note more; the oldest notes go.
local function audited(known, note)
  local audit = cjson.decode(known or '[]')
  audit[#audit + 1] = note
  while #audit > 20 do table.remove(audit, 1) end
  return cjson.encode(audit)
end
